"""One array, opened with tensorstore, as a volume (zyx) in the job's coordinates.

Decoded chunks are kept up to a number of bytes, for the tasks that share them, and not at all where none
does; a chunk that many ask for at the same time is decoded once. Decoding runs in tensorstore's own threads,
as many as there are cores.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from boss_ingest.config.cores import cores
from boss_ingest.errors import ConfigError, MissingSourceError, SourceAwayError, SourceError
from boss_ingest.plugins import array_axes, array_grid, array_precomputed
from boss_ingest.plugins.array_failures import FAILURES, fact_of, is_missing_chunk, unreadable
from boss_ingest.plugins.array_format import Format, Found, WantedLevel, detect
from boss_ingest.plugins.array_presence import check_still_there, gone
from boss_ingest.plugins.reader import Box
from boss_ingest.plugins.slabs import Slabs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from numpy.typing import NDArray

    from boss_ingest.plugins.array_location import Location

OPEN_TIMEOUT_S = 60.0
READ_TIMEOUT_S = 100.0
LEAST_BLOCK_BYTES = 512 << 20
"""What one stored chunk may decode to, and more when the job's own chunks are large."""

_ZYX = tuple[int, int, int]
_RETRIES = {"max_retries": 4, "initial_delay": "250ms", "max_delay": "4s"}
_REQUESTS = 32


class Volume(Protocol):
    """What readers and classic processors need of a source, whatever library reads it."""

    where: str
    dtype: str
    start_zyx: _ZYX  # its corners, in the coordinates of the job
    stop_zyx: _ZYX

    async def read(self, box: Box) -> NDArray[Any]:
        """The voxels (zyx), C-contiguous. Raises SourceError, MissingSourceError."""

    def reads_apart(self, parts: Sequence[Box]) -> bool:
        """Whether it is known that no stored chunk is in two of them."""

    async def close(self) -> None:
        """Let go of it; safe to repeat."""


@dataclass(frozen=True, slots=True)
class View:
    """How an array is to be seen, as the params say."""

    format: Format | None = None
    level: WantedLevel = 0
    axes: tuple[str, ...] | None = None
    channel: int | None = None
    time: int | None = None
    offset_zyx: _ZYX = (0, 0, 0)  # added to the job's coordinates, gives the array's
    fill: bool | None = None  # for chunks that are not stored; None: as the format says
    chunk_bytes: int = 0  # of the job's chunks, an upper bound for one voxel type


@dataclass(frozen=True, slots=True, eq=False)
class _Opened:
    """An array as it was when it was opened: chunks that were not there are not looked for again."""

    array: Any
    uncached: Any  # the same array, without the cache


class ArrayVolume:
    """A volume through tensorstore, made by `open_array`. After it was gone it is opened anew."""

    def __init__(
        self,
        found: Found,
        opened: _Opened,
        view: View,
        *,
        slabs: Slabs,
        again: Callable[[], Awaitable[_Opened]],
    ) -> None:
        self._opened: _Opened | None = opened
        self._again = again
        self._opening = asyncio.Lock()
        self._slabs = slabs
        self._offset_zyx = view.offset_zyx
        self.found = found
        self.where = found.where
        array = opened.array
        self.dtype: str = array.dtype.numpy_dtype.name
        low, high = array.domain.inclusive_min, array.domain.exclusive_max
        self.start_zyx = _shifted(low, view.offset_zyx, -1)
        self.stop_zyx = _shifted(high, view.offset_zyx, -1)

    async def read(self, box: Box) -> NDArray[Any]:
        """The voxels (zyx), C-contiguous. Raises SourceError, MissingSourceError."""
        check_inside(self, box)
        start, stop = self._in_the_array(box)
        where = place(self.where, Box(start, stop))
        opened = self._opened or await self._open_again(where)
        array = opened.uncached if array_grid.is_of_whole_chunks(opened.array, start, stop) else opened.array
        part = array[tuple(slice(low, high) for low, high in zip(start, stop, strict=True))]
        into = self._slabs.empty(box.shape_zyx, array.dtype.numpy_dtype)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                await library().array(into, write=True, copy=False).write(part)
                await self._check_still_there(opened, where)
        except FAILURES as error:
            if is_missing_chunk(error):
                missing = await self._missing(part, where, error)
                await self._check_still_there(opened, where)
                raise missing from error
            raise unreadable(where, error) from error
        return into

    def reads_apart(self, parts: Sequence[Box]) -> bool:
        """Whether it is known that no stored chunk is in two of them."""
        if self._opened is None:
            return False
        corners = [self._in_the_array(part) for part in parts]
        starts, stops = zip(*corners, strict=True)
        outside = (
            [min(axis) for axis in zip(*starts, strict=True)],
            [max(axis) for axis in zip(*stops, strict=True)],
        )
        return array_grid.end_with_chunks(self._opened.array, corners, besides=outside)

    async def close(self) -> None:
        """Let go of the array and its cache."""
        self._opened = None
        self._slabs.close()

    def _in_the_array(self, box: Box) -> tuple[_ZYX, _ZYX]:
        start, stop = (_shifted(corner, self._offset_zyx, 1) for corner in (box.start_zyx, box.stop_zyx))
        return start, stop

    async def _open_again(self, where: str) -> _Opened:
        async with self._opening:
            if self._opened is None:
                await check_still_there(self.found.metadata, where)
                self._opened = await self._again()
            return self._opened

    async def _check_still_there(self, opened: _Opened, where: str) -> None:
        """Raises SourceAwayError when the volume is gone, or was found to be while this was read."""
        try:
            await check_still_there(self.found.metadata, where)
        except SourceAwayError:
            if self._opened is opened:
                self._opened = None
            raise
        if self._opened is not opened:
            raise gone(where, "the volume was gone for a moment")

    async def _missing(self, part: Any, where: str, error: Exception) -> SourceError:
        """All of it is missing, which the job file may allow for; or a part: the rest must not be lost."""
        all_of_it = await array_grid.none_is_stored(part, within_s=OPEN_TIMEOUT_S)
        kind = MissingSourceError if all_of_it else SourceError
        what = "is not there" if all_of_it else "is missing in part"
        return kind(
            f"{where} {what}: {fact_of(error)}",
            hint='was the volume copied whole? if not stored on purpose: "missing_chunks": "fill"',
        )


async def open_array(location: Location, view: View, *, cache_bytes: int) -> ArrayVolume:
    """Find out what is there, and open it for reading. Raises ConfigError, SourceError."""
    tensorstore = library()
    context = tensorstore.Context(_resources(cache_bytes))
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            found = await detect(tensorstore, context, location, wanted=view.format, level=view.level)
            if found.info is not None:
                await asyncio.to_thread(array_precomputed.check, found)
    except FAILURES as error:
        raise unreadable(location.shown, error) from error
    without_cache = tensorstore.Context({"cache_pool": {"total_bytes_limit": 0}}, context)

    async def open_as_it_is_now() -> _Opened:
        return _Opened(await _seen(found, view, context), await _seen(found, view, without_cache))

    slabs = Slabs(keep_bytes=cache_bytes)
    return ArrayVolume(found, await open_as_it_is_now(), view, slabs=slabs, again=open_as_it_is_now)


async def _seen(found: Found, view: View, context: Any) -> Any:
    tensorstore = library()
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_S):
            array = await tensorstore.open(_spec(found, view), read=True, context=context)
    except FAILURES as error:
        raise unreadable(found.at.shown, error) from error
    _check_block(array, view, found.where)
    axes = view.axes or (array_axes.parse(list(found.axes)) if found.axes else None)
    return array_axes.zyx(
        array,
        axes or array_axes.usual(found.driver, array.ndim),
        where=found.where,
        fixed={"c": view.channel, "t": view.time},
        newaxis=tensorstore.newaxis,
    )


def library() -> Any:
    """Tensorstore. Raises ConfigError when it is not installed."""
    try:
        return import_module("tensorstore")
    except ImportError as error:
        raise ConfigError(
            f"reading chunked arrays needs tensorstore: {error}", hint="pip install 'boss-ingest[zarr]'"
        ) from error


def check_inside(volume: Volume, box: Box) -> None:
    """Raise SourceError when the box leaves the volume."""
    edges = zip(volume.start_zyx, box.start_zyx, box.stop_zyx, volume.stop_zyx, strict=True)
    if all(first <= low < high <= last for first, low, high, last in edges):
        return
    sizes = " × ".join(
        str(last - first) for first, last in zip(volume.start_zyx, volume.stop_zyx, strict=True)
    )
    begins = f", from {volume.start_zyx} on" if any(volume.start_zyx) else ""
    raise SourceError(
        f"{volume.where} has {sizes} voxels (z × y × x){begins}, "
        f"the job asks for {box.start_zyx} to {box.stop_zyx}",
        hint="correct ingest_job.extent",
    )


def place(where: str, box: Box) -> str:
    """What a person calls that part of it."""
    z, y, x = (f"{low}:{high}" for low, high in zip(box.start_zyx, box.stop_zyx, strict=True))
    return f"{where}[z {z}, y {y}, x {x}]"


def _resources(cache_bytes: int) -> dict[str, Any]:
    shared: dict[str, Any] = {
        "cache_pool": {"total_bytes_limit": cache_bytes},
        "data_copy_concurrency": {"limit": cores()},
        "file_io_concurrency": {"limit": max(4, cores())},
    }
    for service in ("s3", "gcs", "http"):
        shared |= {
            f"{service}_request_retries": _RETRIES,
            f"{service}_request_concurrency": {"limit": _REQUESTS},
        }
    return shared


def _spec(found: Found, view: View) -> dict[str, Any]:
    precomputed = found.driver == "neuroglancer_precomputed"
    return {
        "driver": found.driver,
        "kvstore": dict(found.at.store),
        "fill_missing_data_reads": not precomputed if view.fill is None else view.fill,
        "recheck_cached_data": "open",
        "recheck_cached_metadata": "open",
    } | ({"scale_index": found.scale} if precomputed else {})


def _check_block(array: Any, view: View, where: str) -> None:
    shape = array.chunk_layout.read_chunk.shape or ()
    block_bytes = array.dtype.numpy_dtype.itemsize
    for size in shape:
        block_bytes *= size
    if block_bytes > max(LEAST_BLOCK_BYTES, 4 * view.chunk_bytes):
        raise ConfigError(
            f"{where} is stored in chunks of {' × '.join(map(str, shape))} voxels, "
            f"{block_bytes >> 20} MiB each: too many to decode for one task",
            hint="store it again in smaller chunks, or make ingest_job.chunk_size larger",
        )


def _shifted(corner: Any, offset_zyx: _ZYX, sign: int) -> _ZYX:
    z, y, x = (int(at) + sign * shift for at, shift in zip(corner, offset_zyx, strict=True))
    return z, y, x
