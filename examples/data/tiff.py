"""The sources of examples/tiff-volume.json, tiff-tiles.json, multipage-tiff.json and tiff-hyperstack.json."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

EXAMPLES = ("tiff-volume.json", "tiff-tiles.json", "multipage-tiff.json", "tiff-hyperstack.json")
SHAPE_TZYX = (3, 17, 600, 700)  # whole tiles, chunks and cuboids on no axis
FRAME_YX = (480, 640)  # a hyperstack's frame is one tile
SAMPLES = 2  # time samples in a file of the hyperstack
GREY = {"photometric": "minisblack"}


def make_tiff(folder: Path) -> None:
    """In `folder`: an OME-TIFF, an ImageJ hyperstack, one file a slice, and a hyperstack in several files."""
    series = volume()
    tifffile.imwrite(
        folder / "volume.ome.tif",
        series[0],
        ome=True,
        metadata={"axes": "ZYX"},
        tile=(256, 256),
        compression="zlib",
        predictor=True,
        **GREY,
    )
    channels = np.stack([255 - series, series], axis=2)
    tifffile.imwrite(folder / "hyperstack.tif", channels, imagej=True, metadata={"axes": "TZCYX"})
    for z in range(2):
        tifffile.imwrite(folder / f"slice{z}.tif", series[:, z].astype(np.uint16), **GREY)
    small = channels[:, :, :, : FRAME_YX[0], : FRAME_YX[1]]
    for number, first in enumerate(range(0, len(small), SAMPLES)):
        part = small[first : first + SAMPLES].astype(np.uint16)
        tifffile.imwrite(folder / f"series_{number:03}.tif", part, imagej=True, metadata={"axes": "TZCYX"})


def volume() -> NDArray[np.uint8]:
    """Ripples that wander with time; uint8, tzyx."""
    t, z, y, x = np.ogrid[tuple(map(slice, SHAPE_TZYX))]
    ripples = np.sin(np.hypot(y - 200 - 60 * t, x - 300 - 8 * z) / 15)
    return (128 + 100 * ripples).astype(np.uint8)


def expected(example: str) -> NDArray[np.generic]:
    """What the Boss holds after that job."""
    series = volume()
    if example == "tiff-volume.json":
        return series[0]
    if example == "tiff-tiles.json":
        return series
    if example == "multipage-tiff.json":
        return series[:, :2].astype(np.uint16)
    return series[:, :, : FRAME_YX[0], : FRAME_YX[1]].astype(np.uint16)
