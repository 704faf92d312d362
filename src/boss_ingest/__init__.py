"""Moves image volumes into a Boss: tiles and cuboids, from any layout, on one machine or many."""

__version__ = "1.0.0.dev0"
