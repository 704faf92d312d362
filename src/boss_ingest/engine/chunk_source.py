"""From a task to the cuboids of a chunk: through an async reader, or through plugins in the worker pool."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from boss_ingest.aws.bucket import Body
from boss_ingest.boss.keys import CUBOID_ZYX
from boss_ingest.encode.codec import Codec
from boss_ingest.encode.conversion import Conversion
from boss_ingest.encode.cuboid import CheckedChunk, ChunkSpec, check_chunk, pack
from boss_ingest.encode.pool import WorkerPool
from boss_ingest.engine import worker
from boss_ingest.engine.harm import harming_only, others_code, others_mistakes, taken
from boss_ingest.engine.tasks import ChunkTask, Cuboid
from boss_ingest.errors import IngestError, MissingSourceError, SourceError, of_source
from boss_ingest.plugins.reader import Box, ChunkReader

_YX = tuple[int, int]
_ZYX = tuple[int, int, int]
_Read = tuple[CheckedChunk, str]  # and why it was made up


@dataclass(frozen=True, slots=True)
class ChunkForm:
    """What every chunk of the job must be: nominal shape, channel dtype, how it is packed, padding wanted."""

    shape_zyx: _ZYX
    dtype: str
    codec: Codec
    pad: bool
    convert: Conversion | None = None

    def spec(self, task: ChunkTask) -> ChunkSpec:
        """What this one must be; at the edges of the extent less of it is needed."""
        return ChunkSpec(self.shape_zyx, task.needed_zyx, self.dtype, self.pad, self.convert)

    def of(self, part: Box) -> ChunkSpec:
        """What a part of a chunk must be, read by itself."""
        return ChunkSpec(part.shape_zyx, part.shape_zyx, self.dtype, self.pad, self.convert)


class Chunk(Protocol):
    """A chunk that was read, ready to give its cuboids.

    `made_up` tells why it is not what was read ("" when it is); one that is `left_out` has no cuboids;
    one that is `converted` has values that the user's conversion changed.
    """

    made_up: str
    left_out: bool
    converted: bool

    async def body(self, cuboid: Cuboid) -> Body:
        """The blosc buffer of one cuboid."""


class ChunkSource(Protocol):
    """Reads a chunk once, for all of its cuboids. Raises TaskError: SourceError or PluginError."""

    @property
    def itemsize_bytes(self) -> int:
        """What a voxel takes when it is read, before it is converted; 0 when that is not known."""

    async def read(self, task: ChunkTask) -> Chunk:
        """The chunk of this task."""


class ArrayChunk:
    """A chunk in memory; its cuboids are cut and compressed as they are asked for, in `threads`.

    It is one array (zyx), or several side by side that are each as deep as the chunk, by their low corners
    (y, x) inside it.
    """

    left_out = False

    def __init__(
        self,
        arrays: Mapping[_YX, NDArray[np.generic]],
        codec: Codec,
        threads: ThreadPoolExecutor | None = None,
        *,
        made_up: str = "",
        converted: bool = False,
    ) -> None:
        self._arrays = arrays
        self._codec = codec
        self._threads = threads
        self.made_up = made_up
        self.converted = converted

    async def body(self, cuboid: Cuboid) -> Body:
        """The blosc buffer of one cuboid."""
        loop = asyncio.get_running_loop()
        with harming_only(f"cuboid {cuboid.key}"):
            return await loop.run_in_executor(self._threads, pack, *self._within(cuboid), self._codec)

    def _within(self, cuboid: Cuboid) -> tuple[NDArray[np.generic], _ZYX]:
        """The array that the cuboid is in, and where in it; for one outside all, beyond one of them."""
        z, y, x = cuboid.offset_zyx
        top, left = max(corner for corner in self._arrays if corner[0] <= y and corner[1] <= x)
        return self._arrays[top, left], (z, y - top, x - left)


class LeftOutChunk:
    """A chunk that is not there and shall not be stored: what the Boss holds in its place stays."""

    left_out = True
    converted = False

    def __init__(self, why: str) -> None:
        self.made_up = why

    async def body(self, cuboid: Cuboid) -> bytes:
        """There is none."""
        raise AssertionError(f"{cuboid.key} was left out")


class ReaderChunks:
    """Chunks from an async reader; cutting and blosc run in threads, as both let go of the GIL."""

    def __init__(
        self,
        reader: ChunkReader,
        form: ChunkForm,
        threads: ThreadPoolExecutor,
        *,
        timeout_s: float,
        itemsize_bytes: int = 0,
    ) -> None:
        self.itemsize_bytes = itemsize_bytes
        self._reader = reader
        self._form = form
        self._threads = threads
        self._timeout_s = timeout_s

    async def read(self, task: ChunkTask) -> Chunk:
        """The chunk of this task."""
        whole = Box(task.origin_zyx, task.stop_zyx)
        columns = _columns(whole)
        with others_mistakes(f"chunk {whole}"):
            apart = len(columns) > 1 and self._reader.reads_apart([*columns.values()])
        if apart:
            parts = await self._read_apart(columns, whole)
        else:
            parts = {(0, 0): await self._read(whole, self._form.spec(task))}
        return ArrayChunk(
            {corner: checked.array_zyx for corner, (checked, _) in parts.items()},
            self._form.codec,
            self._threads,
            made_up=next((why for _, why in parts.values() if why), ""),
            converted=any(checked.converted for checked, _ in parts.values()),
        )

    async def _read_apart(self, boxes: Mapping[_YX, Box], whole: Box) -> dict[_YX, _Read]:
        parts: dict[_YX, _Read] = {}
        missing: list[tuple[str, str]] = []  # not the errors, which would hold what was read

        async def read(corner: _YX, box: Box) -> None:
            try:
                parts[corner] = await self._read(box, self._form.of(box))
            except MissingSourceError as error:
                missing.append((error.what, error.hint))

        try:
            async with asyncio.TaskGroup() as group:
                for corner, box in boxes.items():
                    group.create_task(read(corner, box))
        except* IngestError as errors:
            raise errors.exceptions[0] from None
        if missing:
            what, hint = missing[0]
            name = self._located(whole)
            with of_source(name):
                if parts:  # the rest must not be lost
                    raise SourceError(f"{name} is missing in part: {what}", hint=hint)
                raise MissingSourceError(f"{name} is not there: {what}", hint=hint)
        return parts

    async def _read(self, box: Box, spec: ChunkSpec) -> _Read:
        name = self._located(box)
        with of_source(name):
            async with others_code(f"chunk {box}", timeout_s=self._timeout_s):
                found = await self._reader.read(box)
            array, made_up = taken(found, np.ndarray, name=name, due="an array (z, y, x)")
            with harming_only(name):
                return await asyncio.to_thread(check_chunk, array, spec, name=name), made_up

    def _located(self, box: Box) -> str:
        with others_mistakes(f"chunk {box}"):
            return self._reader.locate(box)


class _FinishedChunk:
    left_out = False
    made_up = ""

    def __init__(self, cuboids: Sequence[Cuboid], bodies: Sequence[bytes], *, converted: bool) -> None:
        self.converted = converted
        self._bodies = dict(zip(cuboids, bodies, strict=True))

    async def body(self, cuboid: Cuboid) -> bytes:
        return self._bodies[cuboid]


class PluginChunks:
    """Chunks from a path processor and a chunk processor: read, cut and compressed in the pool."""

    itemsize_bytes = 0

    def __init__(self, form: ChunkForm, pool: WorkerPool) -> None:
        self._form = form
        self._pool = pool

    async def read(self, task: ChunkTask) -> Chunk:
        """The chunk of this task."""
        index_xyz = task.index.x, task.index.y, task.index.z
        offsets_zyx = [cuboid.offset_zyx for cuboid in task.cuboids]
        with harming_only("chunk x={} y={} z={}".format(*index_xyz)):
            bodies, converted = await self._pool.call(
                worker.read_chunk, index_xyz, self._form.spec(task), offsets_zyx, self._form.codec
            )
        return _FinishedChunk(task.cuboids, bodies, converted=converted)


def _columns(box: Box) -> dict[_YX, Box]:
    """The parts of a box that are one cuboid wide and high, and as deep as it, by their low corners in it."""
    (front, top, left), (back, bottom, right) = box.start_zyx, box.stop_zyx
    _, height, width = CUBOID_ZYX
    return {
        (y - top, x - left): Box((front, y, x), (back, min(y + height, bottom), min(x + width, right)))
        for y in range(top, bottom, height)
        for x in range(left, right, width)
    }
