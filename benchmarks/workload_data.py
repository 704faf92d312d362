"""The data of the workloads: a few distinct files, the same on every machine, linked under many names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore
import tifffile
from numpy.typing import NDArray
from PIL import Image

from benchmarks.reading_layouts import TILE, planes

DISTINCT = 32
SIDE = 1024  # of a chunk, in x and y
STORED = 256  # of a Zarr chunk, in x and y


def png_tiles(folder: Path, tasks: int) -> None:
    _linked(folder, "png", tasks, tiles("uint8"), lambda path, tile: _png(path, tile, level=3))


def small_tiles(folder: Path, tasks: int) -> None:
    """Noise: 256² of it are 64 KiB also as PNG."""
    rng = np.random.default_rng(5)
    some = (rng.integers(0, 256, (256, 256), np.uint8) for _ in range(DISTINCT))
    _linked(folder, "png", tasks, some, lambda path, tile: _png(path, tile, level=0))


def tiff_tiles(folder: Path, tasks: int) -> None:
    _linked(folder, "tif", tasks, tiles("uint16"), _tiff)


def tiff_slices(folder: Path, tasks: int) -> None:
    """Of 4096², so 16 tasks each."""
    several = (np.block([[some[0], some[1]]] * 4) for some in zip(*[planes(8)] * 2, strict=True))
    _linked(folder, "tif", tasks // 16, several, _tiff)


def zarr_noise(folder: Path, tasks: int) -> None:
    rng = np.random.default_rng(1)
    _zarr(folder, tasks, (rng.integers(0, 256, (64, SIDE, SIDE), np.uint8) for _ in range(2)), "lz4")


def zarr_labels(folder: Path, tasks: int) -> None:
    _zarr(folder, tasks, (labels(first) for first in (0, 16)), "zstd")


def tiles(dtype: str) -> Iterator[NDArray[Any]]:
    """As electron microscopy: smooth shapes under fine noise."""
    for plane in planes(DISTINCT // 2, dtype):
        yield plane[:, :TILE]
        yield plane[:, TILE:]


def labels(first_z: int) -> NDArray[np.uint64]:
    """16 slices of cells some 120 voxels wide with curved borders, numbered as segmentations are."""
    z, y, x = np.mgrid[first_z : first_z + 16, :SIDE, :SIDE].astype(np.float32)
    column = (x + 30 * np.sin(y / 47) + z) // 120
    row = (y + 25 * np.sin(x / 61) - z) // 110
    cell = (column + 20).astype(np.uint64) * np.uint64(100) + (row + 20).astype(np.uint64)
    return (cell * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(24)


def _linked(
    folder: Path,
    extension: str,
    count: int,
    some: Iterable[NDArray[Any]],
    write: Callable[[Path, NDArray[Any]], None],
) -> None:
    paths = []
    for n, image in enumerate(islice(some, count)):
        paths.append(folder / f"z{n:06}.{extension}")
        write(paths[-1], image)
    for n, path in enumerate(islice(cycle(paths), count)):
        if n >= len(paths):
            os.link(path, folder / f"z{n:06}.{extension}")


def _png(path: Path, tile: NDArray[Any], *, level: int) -> None:
    Image.fromarray(tile).save(path, compress_level=level)


def _tiff(path: Path, image: NDArray[Any]) -> None:
    tifffile.imwrite(path, image, photometric="minisblack")


def _zarr(folder: Path, tasks: int, several: Iterable[NDArray[Any]], compressor: str) -> None:
    """`several` chunks of the job, again and again along z, as an array of smaller blocks."""
    chunks = list(several)
    depth = chunks[0].shape[0]
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": str(folder / "em")},
        "metadata": {
            "chunks": [depth, STORED, STORED],
            "compressor": {"id": "blosc", "cname": compressor, "clevel": 1, "shuffle": 0},
        },
    }
    shape = (depth * max(tasks, len(chunks)), SIDE, SIDE)
    array = tensorstore.open(spec, create=True, dtype=chunks[0].dtype.name, shape=shape).result()
    for n, chunk in enumerate(chunks):
        array[n * depth : (n + 1) * depth].write(chunk).result()
    for n in range(len(chunks), tasks):
        for path in (folder / "em").glob(f"{n % len(chunks)}.*"):
            os.link(path, path.with_name(f"{n}.{path.name.partition('.')[2]}"))
