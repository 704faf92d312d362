"""The sources of examples/stack-chunks.json, mosaic-slices.json, mosaic-grid.json: one volume, three ways."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

EXAMPLES = ("stack-chunks.json", "mosaic-slices.json", "mosaic-grid.json")
SHAPE_ZYX = (20, 600, 700)  # whole tiles, chunks and cuboids on no axis
IMAGE = 256  # columns and rows of an image of the grid; less at the edges


def make_stack(folder: Path) -> None:
    """In `folder`: whole slices as TIFF in slices, as PNG in sections, as grids of 3 × 3 PNG in grid."""
    for name in ("slices", "sections", "grid"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for z, image in enumerate(volume()):
        Image.fromarray(image).save(folder / f"slices/z{z:04}.tif")
        Image.fromarray(image).save(folder / f"sections/section_{z + 1:03}.png", compress_level=1)
        for y in range(0, SHAPE_ZYX[1], IMAGE):
            for x in range(0, SHAPE_ZYX[2], IMAGE):
                name = f"z{z}_r{y // IMAGE + 1:02}_c{x // IMAGE + 1:02}.png"
                Image.fromarray(image[y : y + IMAGE, x : x + IMAGE]).save(folder / "grid" / name)


def volume() -> NDArray[np.uint8]:
    """Waves that turn with z; uint8, zyx."""
    z, y, x = np.ogrid[tuple(map(slice, SHAPE_ZYX))]
    waves = np.sin((x * np.cos(z / 9) + y * np.sin(z / 9)) / 17) * np.cos((y - x / 3) / 41)
    return (128 + 120 * waves).astype(np.uint8)
