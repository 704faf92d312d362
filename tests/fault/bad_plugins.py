"""Plugins that do wrong whatever can be done wrong: which wrong depends on the index they are asked for."""

from __future__ import annotations

import asyncio
import functools
import io
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from boss_ingest.plugins.chunk import TZYX_ORDER, XYZT_ORDER, ZYX_ORDER, ChunkProcessor
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.reader import Box, ChunkReader, Setup, SourceInfo, TileIndex, TileReader
from boss_ingest.plugins.tile import TileProcessor
from tests.volumes import pattern

SIDE = 512
SLICES = 16


def tile(z: int) -> np.ndarray[Any, Any]:
    """What slice z is."""
    return _whole(SLICES)[z]


def block(x: int) -> np.ndarray[Any, Any]:
    """What the chunk (16, 512, 512) number x is."""
    return _whole(16) + np.uint8(x)


@functools.cache
def _whole(slices: int) -> np.ndarray[Any, Any]:
    return pattern((slices, SIDE, SIDE))


def _closed() -> io.BytesIO:
    file = io.BytesIO(b"x")
    file.close()
    return file


def _png(image: np.ndarray[Any, Any]) -> io.BytesIO:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file


def _raise(error: BaseException) -> Any:
    raise error


class UnprintableError(Exception):
    """Cannot be pickled, and cannot be told either."""

    def __init__(self, one: object, two: object) -> None:
        super().__init__("lambda", lambda: (one, two))

    def __str__(self) -> str:
        raise RuntimeError("no text")


TILE_WRONGS: dict[int, Any] = {
    1: lambda: _raise(ValueError("boom")),
    2: lambda: _raise(SystemExit(3)),
    3: lambda: os._exit(9),
    4: lambda: None,
    5: lambda: "no/such/file.png",
    6: _closed,
    7: lambda: io.StringIO("text"),
    8: lambda: io.BytesIO(b""),
    9: lambda: _png(np.zeros((SIDE, SIDE - 1), np.uint8)),
    10: lambda: _png(np.zeros((SIDE, SIDE, 3), np.uint8)),
    11: lambda: np.zeros((SIDE, SIDE), np.uint8),
    12: lambda: _raise(UnprintableError(1, 2)),
    13: lambda: _raise(MemoryError()),
    14: lambda: _raise(KeyError("root_dir")),
}
"""What a classic tile processor does for these slices; the others are well."""

CHUNK_WRONGS: dict[int, Any] = {
    1: lambda good: _raise(ValueError("boom")),
    2: lambda good: None,
    3: lambda good: (good, 77),
    4: lambda good: (good[:, :, :-1], ZYX_ORDER),
    5: lambda good: (good.astype(np.float32) / 3, ZYX_ORDER),
    6: lambda good: (good.astype(np.int16) - 300, ZYX_ORDER),
    7: lambda good: (good.astype(np.uint16) + 300, ZYX_ORDER),
    8: lambda good: (np.stack([good, good]), TZYX_ORDER),
    9: lambda good: (np.stack([good.T, good.T], axis=-1), XYZT_ORDER),
    10: lambda good: (good[0], ZYX_ORDER),
    11: lambda good: (good.tolist(), ZYX_ORDER),
    12: lambda good: os._exit(9),
}
"""What a classic chunk processor does for these chunks; the others are well."""

TILE_READER_WRONGS: dict[int, Any] = {
    1: lambda good: _raise(ValueError("boom")),
    2: lambda good: None,
    3: lambda good: good.tolist(),
    4: lambda good: good[:-1],
    5: lambda good: good.astype(np.float64) / 3,
    6: lambda good: np.stack([good] * 3, axis=-1),
    7: lambda good: good.astype(np.int64) - 300,
    8: lambda good: "a string",
    9: lambda good: b"no image",
    10: lambda good: good.astype(object),
    11: lambda good: _raise(TimeoutError("of the reader's own")),
    12: lambda good: _raise(UnprintableError(1, 2)),
    13: lambda good: _raise(asyncio.CancelledError()),
    14: lambda good: np.broadcast_to(good[0, 0], (10**9, 10**9)),
}

CHUNK_READER_WRONGS: dict[int, Any] = {
    1: lambda good: _raise(ValueError("boom")),
    2: lambda good: None,
    3: lambda good: good.tolist(),
    4: lambda good: good[:, :-1],
    5: lambda good: good.astype(np.float64) / 3,
    6: lambda good: good[None],
    7: lambda good: good.astype(np.int64) - 300,
    8: lambda good: "a string",
    9: lambda good: (good, ZYX_ORDER),
    10: lambda good: good.astype(object),
}


class Nowhere(PathProcessor):
    def setup(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        return f"source x{x_index} y{y_index} z{z_index}"


class BadTiles(TileProcessor):
    def setup(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters

    def process(
        self, file_path: str, x_index: int, y_index: int, z_index: int, t_index: int | None = 0
    ) -> Any:
        return TILE_WRONGS[z_index]() if z_index in TILE_WRONGS else _png(tile(z_index))


class HangingTiles(BadTiles):
    def process(
        self, file_path: str, x_index: int, y_index: int, z_index: int, t_index: int | None = 0
    ) -> Any:
        if z_index == 1:
            time.sleep(3600)
        return _png(tile(z_index))


class HangingOnceTiles(BadTiles):
    def setup(self, parameters: dict[str, Any]) -> None:
        self._hung = Path(parameters["marker"])

    def process(
        self, file_path: str, x_index: int, y_index: int, z_index: int, t_index: int | None = 0
    ) -> Any:
        if z_index == 1 and not self._hung.exists():
            self._hung.touch()
            time.sleep(3600)
        return _png(tile(z_index))


class BrokenSetup(BadTiles):
    def setup(self, parameters: dict[str, Any]) -> None:
        raise KeyError("server")


class BadChunks(ChunkProcessor):
    def setup(self, parameters: dict[str, Any]) -> None:
        self.parameters = parameters

    def process(self, file_path: str, x_index: int, y_index: int, z_index: int) -> Any:
        good = block(x_index)
        return CHUNK_WRONGS[x_index](good) if x_index in CHUNK_WRONGS else (good, ZYX_ORDER)


FORMS: dict[str, Any] = {
    "TZYX": lambda good: (good[None], TZYX_ORDER),
    "int64": lambda good: (good.astype(np.int64), ZYX_ORDER),
    "above 255": lambda good: (good.astype(np.uint16) + 256, ZYX_ORDER),
    "two channels": lambda good: (np.stack([good.T, good.T], axis=-1), XYZT_ORDER),
    "too small": lambda good: (good[:, :, :-1], ZYX_ORDER),
    "too large": lambda good: (np.pad(good, ((0, 0), (0, 1), (0, 0))), ZYX_ORDER),
}


class FormedChunks(BadChunks):
    """Gives every chunk in the one form that params.form names."""

    def process(self, file_path: str, x_index: int, y_index: int, z_index: int) -> Any:
        assert self.parameters is not None
        return FORMS[self.parameters["form"]](block(x_index))


class TransposedChunks(BadChunks):
    """The same voxels in each of the four orders there are."""

    def process(self, file_path: str, x_index: int, y_index: int, z_index: int) -> Any:
        good = block(x_index)
        return [(good, ZYX_ORDER), (good[None], TZYX_ORDER), (good.T[..., None], XYZT_ORDER)][x_index % 3]


class BadTileReader(TileReader):
    async def open(self, setup: Setup) -> None:
        pass

    async def read(self, index: TileIndex) -> Any:
        good = tile(index.z)
        return TILE_READER_WRONGS[index.z](good) if index.z in TILE_READER_WRONGS else good

    async def describe(self) -> SourceInfo:
        return SourceInfo("uint8", None, "nowhere")

    async def close(self) -> None:
        pass

    def locate(self, index: TileIndex) -> str:
        return f"slice {index.z} of nowhere"


class HangingTileReader(BadTileReader):
    async def read(self, index: TileIndex) -> Any:
        if index.z == 1:
            await asyncio.sleep(3600)
        return tile(index.z)


class UnmakeableTileReader(BadTileReader):
    def __init__(self) -> None:
        raise KeyError("LAB_SERVER")


class GoodTileReader(BadTileReader):
    async def read(self, index: TileIndex) -> Any:
        return tile(index.z)


class UncloseableTileReader(GoodTileReader):
    async def close(self) -> None:
        raise ValueError("closed twice")


class HangingInCloseTileReader(GoodTileReader):
    async def close(self) -> None:
        await asyncio.sleep(3600)


class UnopenableTileReader(BadTileReader):
    async def open(self, setup: Setup) -> None:
        raise ConnectionError("the server of the images is down")


class BadChunkReader(ChunkReader):
    async def open(self, setup: Setup) -> None:
        pass

    async def read(self, box: Box) -> Any:
        x = box.start_zyx[2] // SIDE
        return CHUNK_READER_WRONGS[x](block(x)) if x in CHUNK_READER_WRONGS else block(x)

    async def describe(self) -> SourceInfo:
        return SourceInfo("uint8", None, "nowhere")

    async def close(self) -> None:
        pass

    def locate(self, box: Box) -> str:
        return f"chunk {box.start_zyx[2] // SIDE} of nowhere"
