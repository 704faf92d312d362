"""The contract of a plugin as checks that its author can run: `await check_chunk_reader(…)` in a test.

Each check reads what the plugin gives, compares it with what you know to be right, and raises AssertionError
with the index and the difference. What they ask for is told in docs/plugins.md.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from boss_ingest.errors import SourceError
from boss_ingest.plugins.classic import ClassicChunks, ClassicTiles
from boss_ingest.plugins.reader import Box, ChunkReader, MadeUp, Setup, TileIndex, TileReader

__all__ = ["check_chunk_reader", "check_classic_chunks", "check_classic_tiles", "check_tile_reader", "setup"]


def setup(
    params: Mapping[str, Any],
    ingest_job: Mapping[str, Any],
    *,
    path_params: Mapping[str, Any] | None = None,
    job_dir: Path | None = None,
) -> Setup:
    """What the engine would tell a plugin: its params, and the job file's `ingest_job`."""
    return Setup(path_params or {}, params, ingest_job, job_dir or Path())


async def check_tile_reader(
    make: Callable[[], TileReader],
    told: Setup,
    expected: Mapping[TileIndex, NDArray[Any]],
    *,
    missing: TileIndex | None = None,
) -> None:
    """Open, read every expected tile (yx), one by one and all at once, and close.

    `missing` is an index whose source is not there: it must raise SourceError naming where it looked.
    """
    reader = make()
    await reader.close()  # safe before open, for an open that failed
    await reader.open(told)
    try:
        for index, right in expected.items():
            _same(await reader.read(index), right, f"tile {index}")
            assert reader.locate(index), f"locate({index}) must say where the tile comes from"
        together = await asyncio.gather(*(reader.read(index) for index in expected))
        for (index, right), found in zip(expected.items(), together, strict=True):
            _same(found, right, f"tile {index}, read together with others")
        assert (await reader.describe()).where, "describe() must say where the source is"
        if missing is not None:
            await _must_be_missing(reader, missing)
    finally:
        await reader.close()
        await reader.close()  # and safe to repeat


async def check_chunk_reader(
    make: Callable[[], ChunkReader], told: Setup, volume_zyx: NDArray[Any], boxes: list[Box] | None = None
) -> None:
    """Open, read boxes of a volume you know, one by one and all at once, and close.

    The volume stands at the origin. Boxes of your own may be given; a box that leaves it must be refused.
    """
    boxes = boxes or _boxes(volume_zyx.shape)
    reader = make()
    await reader.close()
    await reader.open(told)
    try:
        for box in boxes:
            _same(await reader.read(box), volume_zyx[_slices(box)], f"box {box}")
            assert reader.locate(box), f"locate({box}) must say where the box comes from"
        together = await asyncio.gather(*(reader.read(box) for box in boxes))
        for box, found in zip(boxes, together, strict=True):
            _same(found, volume_zyx[_slices(box)], f"box {box}, read together with others")
        info = await reader.describe()
        assert info.shape_zyx in {None, volume_zyx.shape}, f"describe() tells the shape {info.shape_zyx}"
        assert info.dtype in {None, volume_zyx.dtype.name}, f"describe() tells the dtype {info.dtype}"
        z, y, x = volume_zyx.shape
        await _must_be_refused(reader, Box((0, 0, 0), (z + 1, y, x)))
    finally:
        await reader.close()
        await reader.close()


def check_classic_tiles(
    path_class: str, tile_class: str, told: Setup, expected: Mapping[TileIndex, NDArray[Any]]
) -> None:
    """Run a path and a tile processor, by their dotted names, as a worker process would."""
    plugins = ClassicTiles(path_class, tile_class, pickle.loads(pickle.dumps(told)))  # noqa: S301 - our own bytes
    for index, right in expected.items():
        path, found = plugins.read(index)
        _same(found, right, f"tile {index} from {path or 'no path'}")


def check_classic_chunks(
    path_class: str, chunk_class: str, told: Setup, expected: Mapping[tuple[int, int, int], NDArray[Any]]
) -> None:
    """Run a path and a chunk processor as a worker process would; indices are (x, y, z), arrays zyx."""
    plugins = ClassicChunks(path_class, chunk_class, pickle.loads(pickle.dumps(told)))  # noqa: S301 - our own bytes
    for (x, y, z), right in expected.items():
        path, found = plugins.read(x, y, z)
        _same(found, right, f"chunk x={x} y={y} z={z} from {path or 'no path'}")


def _same(found: bytes | NDArray[Any] | MadeUp, right: NDArray[Any], what: str) -> None:
    found = found.voxels if isinstance(found, MadeUp) else found
    pixels = np.asarray(Image.open(BytesIO(found))) if isinstance(found, bytes) else np.asarray(found)
    assert pixels.shape == right.shape, f"{what} has shape {pixels.shape}, right is {right.shape}"
    assert pixels.dtype == right.dtype, f"{what} is {pixels.dtype}, right is {right.dtype}"
    wrong = np.argwhere(pixels != right)
    assert not len(wrong), f"{what} differs in {len(wrong)} voxels, first at {tuple(map(int, wrong[0]))}"


async def _must_be_missing(reader: TileReader, index: TileIndex) -> None:
    try:
        await reader.read(index)
    except SourceError:
        return
    raise AssertionError(f"tile {index} is not there, but reading it raised no SourceError")


async def _must_be_refused(reader: ChunkReader, box: Box) -> None:
    try:
        found = await reader.read(box)
    except SourceError:
        return
    raise AssertionError(f"{box} leaves the source, but reading it gave {type(found).__name__}")


def _boxes(shape_zyx: tuple[int, ...]) -> list[Box]:
    z, y, x = shape_zyx
    middle = z // 2, y // 2, x // 2
    return [
        Box((0, 0, 0), (z, y, x)),
        Box((0, 0, 0), (max(1, z // 2), max(1, y // 2), max(1, x // 2))),
        Box(middle, (z, y, x)),
        Box((z - 1, y - 1, x - 1), (z, y, x)),
    ]


def _slices(box: Box) -> tuple[slice, ...]:
    return tuple(slice(low, high) for low, high in zip(box.start_zyx, box.stop_zyx, strict=True))
