"""Pixels to bytes: tile images, blosc cuboids, and the processes they are made in."""
