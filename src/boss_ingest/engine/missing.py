"""What becomes of tasks whose source is not there, where the job file says so by name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from boss_ingest.encode.tile_image import TileImage, fit
from boss_ingest.engine.chunk_source import ArrayChunk, Chunk, ChunkForm, ChunkSource, LeftOutChunk
from boss_ingest.engine.tasks import ChunkTask, TileTask
from boss_ingest.engine.tile_source import ReadTile, TileForm, TileSource
from boss_ingest.errors import MissingSourceError

_MEAN_ZEROS = ("fail_gracefully", "zeros_on_403")

Missing = Literal["error", "zeros", "skip"]


def missing_of(params: Mapping[str, Any]) -> Missing:
    """What the params of a processor ask for: `"missing"`, or one of the names of old that mean zeros."""
    asked = params.get("missing", "error")
    if asked in {"zeros", "skip"}:
        return "zeros" if asked == "zeros" else "skip"
    return "zeros" if any(params.get(name) is True for name in _MEAN_ZEROS) else "error"


class ZeroTiles:
    """A tile source whose missing tiles are zeros, counted and reported as made up."""

    def __init__(self, source: TileSource, form: TileForm) -> None:
        self._source = source
        self._form = form
        self._zeros: TileImage | None = None  # the same for all

    @property
    def itemsize_bytes(self) -> int:
        """What a voxel takes when it is read."""
        return self._source.itemsize_bytes

    async def read(self, task: TileTask) -> ReadTile:
        """The tile of this task, as the Boss accepts it."""
        try:
            return await self._source.read(task)
        except MissingSourceError as error:
            if self._zeros is None:
                zeros = np.zeros(self._form.shape_yx, self._form.dtype)
                self._zeros = await asyncio.to_thread(fit, zeros, self._form.spec(task), name=error.what)
            return ReadTile(self._zeros, made_up=error.what)


class ForgivingChunks:
    """A chunk source whose missing chunks are zeros, or are left out; both are counted and reported."""

    def __init__(self, source: ChunkSource, form: ChunkForm, missing: Missing) -> None:
        self._source = source
        self._form = form
        self._missing = missing

    @property
    def itemsize_bytes(self) -> int:
        """What a voxel takes when it is read."""
        return self._source.itemsize_bytes

    async def read(self, task: ChunkTask) -> Chunk:
        """The chunk of this task."""
        try:
            return await self._source.read(task)
        except MissingSourceError as error:
            if self._missing == "skip":
                return LeftOutChunk(error.what)
            zeros = np.zeros(task.needed_zyx, self._form.dtype)
            return ArrayChunk({(0, 0): zeros}, self._form.codec, made_up=error.what)
