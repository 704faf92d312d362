"""From a task to a tile's image: through an async reader, or through plugins in the worker pool."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from boss_ingest.encode.conversion import Conversion
from boss_ingest.encode.pool import WorkerPool
from boss_ingest.encode.tile_image import TileImage, TileSpec, fit, inspect, is_quick
from boss_ingest.engine import worker
from boss_ingest.engine.harm import harming_only, others_code, others_mistakes, taken
from boss_ingest.engine.tasks import TileTask
from boss_ingest.errors import of_source
from boss_ingest.plugins.reader import MadeUp, TileIndex, TileReader

_AT_ONCE_BYTES = 4 << 20
"""So long an image is proved on the event loop: it takes 0.2 ms, of the most malicious one 0.7 s."""


@dataclass(frozen=True, slots=True)
class TileForm:
    """What every tile of the job must be: full size (rows, columns), channel dtype, padding wanted."""

    shape_yx: tuple[int, int]
    dtype: str
    pad: bool
    convert: Conversion | None = None

    def spec(self, task: TileTask) -> TileSpec:
        """What this one must be; at the edges of the extent less of it is needed."""
        rows, columns = self.shape_yx
        needed_rows, needed_columns = task.needed_yx
        return TileSpec(rows, columns, needed_rows, needed_columns, self.dtype, self.pad, self.convert)


@dataclass(frozen=True, slots=True)
class ReadTile:
    """A tile as the Boss accepts it, and why it was made up ("" when it was read)."""

    image: TileImage
    made_up: str = ""


class TileSource(Protocol):
    """Gives the finished bytes of a tile. Raises TaskError: SourceError or PluginError."""

    @property
    def itemsize_bytes(self) -> int:
        """What a voxel takes when it is read, before it is converted; 0 when that is not known."""

    async def read(self, task: TileTask) -> ReadTile:
        """The tile of this task, as the Boss accepts it."""


class ReaderTiles:
    """Tiles from an async reader: passed through when right, else made right, in the pool if that is long."""

    def __init__(
        self,
        reader: TileReader,
        form: TileForm,
        pool: WorkerPool,
        *,
        timeout_s: float,
        itemsize_bytes: int = 0,
    ) -> None:
        self.itemsize_bytes = itemsize_bytes
        self._reader = reader
        self._form = form
        self._pool = pool
        self._timeout_s = timeout_s

    async def read(self, task: TileTask) -> ReadTile:
        """The tile of this task, as the Boss accepts it."""
        index, spec = _tile_index(task), self._form.spec(task)
        what = f"tile {index}"
        with others_mistakes(what):
            name = self._reader.locate(index)
        with of_source(name):
            async with others_code(what, timeout_s=self._timeout_s):
                found = await self._reader.read(index)
            return await self._made_right(found, spec, name)

    async def _made_right(
        self, found: bytes | NDArray[np.generic] | MadeUp, spec: TileSpec, name: str
    ) -> ReadTile:
        due = "the bytes of an image, or an array (y, x)"
        source, made_up = taken(found, bytes, np.ndarray, name=name, due=due)
        with harming_only(name):
            if isinstance(source, bytes) and await _is_right(source, spec, name):
                return ReadTile(TileImage(source, passed_through=True), made_up)
            if is_quick(source, spec):
                return ReadTile(await asyncio.to_thread(fit, source, spec, name=name), made_up)
            return ReadTile(await self._pool.call(worker.fit_tile, source, spec, name), made_up)


class PluginTiles:
    """Tiles from a path processor and a tile processor, read and made right in the pool."""

    itemsize_bytes = 0

    def __init__(self, form: TileForm, pool: WorkerPool) -> None:
        self._form = form
        self._pool = pool

    async def read(self, task: TileTask) -> ReadTile:
        """The tile of this task, as the Boss accepts it."""
        index = _tile_index(task)
        with harming_only(f"tile {index}"):
            return ReadTile(await self._pool.call(worker.read_tile, index, self._form.spec(task)))


async def _is_right(image: bytes, spec: TileSpec, name: str) -> bool:
    """Whether it can be stored as it is. Most images are proved sooner than a thread begins."""
    if len(image) <= _AT_ONCE_BYTES:
        return inspect(image, spec, name=name)
    return await asyncio.to_thread(inspect, image, spec, name=name)


def _tile_index(task: TileTask) -> TileIndex:
    return TileIndex(x=task.index.x, y=task.index.y, z=task.index.z, t=task.index.t)
