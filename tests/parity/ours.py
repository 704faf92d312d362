"""Runs our plugins over the cases of the differential test: the classic pair, and the reader in its place."""

from __future__ import annotations

import asyncio
import gc
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from boss_ingest.errors import IngestError, MissingSourceError
from boss_ingest.plugins.catalogue import layouts
from boss_ingest.plugins.classic import ClassicChunks, ClassicTiles
from boss_ingest.plugins.reader import Box, ChunkReader, MadeUp, Setup, TileIndex, TileReader
from tests.parity.case import Case, Index, Outcome

PACKAGE = "ingestclient.plugins"


def setup_of(case: Case) -> Setup:
    """What the engine would tell the plugins."""
    return Setup(case.path_params, case.params | case.ours, case.ingest_job, Path())


def classic(case: Case) -> list[Outcome]:
    """What the classic pair makes of each index; blocks. Nothing of it outlives the call."""
    try:
        return _classic(case)
    finally:
        gc.collect()


def _classic(case: Case) -> list[Outcome]:
    names = f"{PACKAGE}.{case.path}", f"{PACKAGE}.{case.processor}"
    try:
        if "chunk_size" in case.ingest_job:
            chunks = ClassicChunks(*names, setup_of(case))
            return [_outcome(lambda at=at: chunks.read(*at[:3])[1]) for at in case.indices]
        tiles = ClassicTiles(*names, setup_of(case))
        return [_outcome(lambda at=at: tiles.read(_tile(at))[1]) for at in case.indices]
    except IngestError as error:
        return [_refused(error)] * len(case.indices)


def reader_of(case: Case) -> type[TileReader] | type[ChunkReader] | None:
    """The reader that takes the place of the pair, if there is one."""
    name = f"{PACKAGE}.{case.path}".rpartition(".")[2]
    found = [each for each in layouts() if each.name == case.processor]
    return next((each.reader for each in found if each.path and each.path.__name__ == name), None)


async def asynchronous(case: Case) -> list[Outcome]:
    """What the reader makes of each index, all asked for at once."""
    kind = reader_of(case)
    assert kind is not None
    reader = kind()
    try:
        await reader.open(setup_of(case))
        return list(await asyncio.gather(*(_ask(reader, case, at) for at in case.indices)))
    except IngestError as error:
        return [_refused(error)] * len(case.indices)
    finally:
        await reader.close()


def box_of(case: Case, at: Index) -> Box | None:
    """The box that the engine asks for; None where the server makes no such chunk."""
    start, stop = [], []
    for axis, index in zip("zyx", (at[2], at[1], at[0]), strict=True):
        low, high = case.ingest_job["extent"][axis]
        size = case.ingest_job["chunk_size"][axis]
        origins = [origin for origin in range(low, high, size) if origin // size == index]
        if not origins:
            return None
        start.append(origins[0])
        stop.append(min(origins[0] + size, high))
    return Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))


async def _ask(reader: TileReader | ChunkReader, case: Case, at: Index) -> Outcome:
    try:
        if isinstance(reader, TileReader):
            index = _tile(at)
            reader.locate(index)
            return Outcome(_as_image(_pixels(await reader.read(index))))
        box = box_of(case, at)
        if box is None:
            return Outcome(error="no such chunk")
        return Outcome(_pixels(await reader.read(box)))
    except IngestError as error:
        return _refused(error)


def _outcome(read: Any) -> Outcome:
    try:
        return Outcome(_pixels(read()))
    except IngestError as error:
        return _refused(error)


def _refused(error: IngestError) -> Outcome:
    kind = "MissingSourceError" if isinstance(error, MissingSourceError) else "an error"
    return Outcome(error=kind, text=str(error))


def _pixels(source: bytes | NDArray[Any] | MadeUp) -> NDArray[Any]:
    source = source.voxels if isinstance(source, MadeUp) else source
    if isinstance(source, np.ndarray):
        return source
    with Image.open(io.BytesIO(source)) as image:
        return np.array(image)


def _as_image(pixels: NDArray[Any]) -> NDArray[Any]:
    """Numbers of 32 bits and more as an image has them, when they fit: signed. The engine does so too."""
    wide = pixels.dtype.kind in "ui" and pixels.dtype.itemsize >= 4
    return pixels.astype(np.int32) if wide and pixels.max(initial=0) < 1 << 31 else pixels


def _tile(at: Index) -> TileIndex:
    x, y, z, t = at
    return TileIndex(x, y, z, t)
