"""The sources of examples/hdf5-*.json: one volume, a time series and its labels, as labs keep them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

EXAMPLES = (
    "hdf5-volume.json",
    "hdf5-single-file.json",
    "hdf5-chunk.json",
    "hdf5-slice.json",
    "hdf5-time-series.json",
    "hdf5-time-series-label.json",
)
SHAPE_ZYX = (20, 600, 700)  # whole tiles, chunks and cuboids on no axis
BLOCK_Z = 8  # slices of a file of the blocks
TILE = 512
SERIES_TZYX = (3, 4, 300, 400)
ORIGIN_YX = (1000, 2000)  # where the microscope says that the slices begin


def make_hdf5(folder: Path) -> None:
    """In `folder`: volume.h5, slices, blocks and series."""
    for name in ("slices", "blocks", "series"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    em = volume()
    with h5py.File(folder / "volume.h5", "w") as file:
        file.create_dataset("volumes/raw", data=em, chunks=(16, 128, 128), compression="gzip", shuffle=True)
    for z, image in enumerate(em):
        with h5py.File(folder / f"slices/section_{z + 1:03}.h5", "w") as file:
            file.create_dataset("image", data=image, chunks=(128, 128), compression="gzip")
            file["offset"] = ORIGIN_YX
            file["extent"] = image.shape
    for z in range(0, SHAPE_ZYX[0], BLOCK_Z):
        for y in range(0, SHAPE_ZYX[1], TILE):
            for x in range(0, SHAPE_ZYX[2], TILE):
                name = f"em_{x}-{x + TILE}_{y}-{y + TILE}_{z}-{z + BLOCK_Z}.h5"
                with h5py.File(folder / "blocks" / name, "w") as file:
                    file["img"] = em[z : z + BLOCK_Z, y : y + TILE, x : x + TILE]
    for z in range(SERIES_TZYX[1]):
        with h5py.File(folder / f"series/plane{z}.h5", "w") as file:
            activity = 2.0 * series()[:, z].transpose(0, 2, 1)
            reference = np.zeros_like(activity)
            file.create_dataset("activity", data=np.stack([reference, activity], axis=-1), compression="gzip")
            file["cells"] = labels()[z].T


def expected(example: str) -> NDArray[np.generic]:
    """What the Boss holds after an example; zyx, or tzyx for the time series."""
    special = {"hdf5-time-series.json": series, "hdf5-time-series-label.json": labels}
    return special.get(example, volume)()


def series() -> NDArray[np.uint16]:
    """Activity of some cells over time; uint16, tzyx."""
    t, z, y, x = np.ogrid[tuple(map(slice, SERIES_TZYX))]
    return (2000 + 900 * np.sin(t + z + x // 40 + y // 30) + x % 7).astype(np.uint16)


def labels() -> NDArray[np.uint64]:
    """The number of the cell at each voxel; uint64, zyx."""
    z, y, x = np.ogrid[tuple(map(slice, SERIES_TZYX[1:]))]
    return (100_000 * (z + 1) + 100 * (y // 30) + x // 40).astype(np.uint64)


def volume() -> NDArray[np.uint8]:
    """Waves that turn with z; uint8, zyx."""
    z, y, x = np.ogrid[tuple(map(slice, SHAPE_ZYX))]
    waves = np.sin((x * np.cos(z / 9) + y * np.sin(z / 9)) / 17) * np.cos((y - x / 3) / 41)
    return (128 + 120 * waves).astype(np.uint8)
