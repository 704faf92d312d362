"""Boxes of HDF5 datasets, read asynchronously by the blocks they are stored in: each is decoded once.

HDF5 does one thing at a time in a process. A thread of its own fetches blocks as they stand in the file, and
other threads undo their filters, as zlib lets go of the GIL. Blocks with filters that only HDF5 knows are
decoded in its thread.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from contextlib import suppress
from functools import cache
from importlib import import_module
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

from boss_ingest.errors import SourceError
from boss_ingest.plugins.block_cache import BlockCache
from boss_ingest.plugins.files import READ_TIMEOUT_S
from boss_ingest.plugins.hdf5_files import DEFLATE, SHUFFLE, Files, Place, Stored
from boss_ingest.plugins.read_threads import ReadThreads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from boss_ingest.plugins.files import Folder

_Box = tuple[slice, ...]
_T = TypeVar("_T")

BLOCK_BYTES = 1 << 20
"""Smaller blocks are read some at once, up to that many bytes: one by one they take longer to ask for."""

ALIGNED = 512
"""No more than that many voxels along an axis are read at once: tiles and chunks are multiples of it."""


class Blocks:
    """Reads from any number of files at the same time. Raises ConfigError without h5py.

    `most_bytes` is the most one block may take, decoded: a small file can claim to hold huge ones.
    """

    def __init__(self, folder: Folder | None, *, cache_bytes: int, most_bytes: int) -> None:
        self._files = Files(folder)
        self._thread = ReadThreads(1, spare=0)  # while one call into HDF5 hangs, so would all others
        self._cache = BlockCache(cache_bytes)
        self._most_bytes = most_bytes
        self._busy = asyncio.Semaphore(4 * (os.cpu_count() or 1))

    async def look(self, place: Place, beside: tuple[str, ...] = ()) -> Stored:
        """What the dataset is like. Raises MissingSourceError without the file, SourceError."""
        return await self._in_thread(self._files.look, place, beside)

    async def read(
        self, stored: Stored, box: _Box, *, order: tuple[int, ...], fixed: frozenset[int]
    ) -> NDArray[Any]:
        """The voxels of a box inside the dataset, in its axes; in memory they lie in `order`.

        Of the `fixed` axes no other index will be asked for: only that one is kept. Raises SourceError.
        """
        if stored.chunks is None:
            return await self._in_thread(self._files.part, stored, box)
        size_bytes = prod(stored.chunks) * stored.dtype.itemsize
        if size_bytes > self._most_bytes:
            raise SourceError(
                f"{stored.place} is stored in blocks of {' × '.join(map(str, stored.chunks))} values, "
                f"more than {self._most_bytes} bytes each",
                hint="store it in smaller blocks (h5repack -l CHUNK=…), or raise --memory",
            )
        single, some = _grids(stored, fixed)
        try:
            regions, blocks = await self._blocks(stored, _regions(stored, some, box, fixed))
        except SourceError:
            if some == single:
                raise
            # what is damaged may be a neighbour that was read along
            regions, blocks = await self._blocks(stored, _regions(stored, single, box, fixed))
        return await asyncio.to_thread(_assembled, stored, box, order, regions, blocks)

    async def close(self) -> None:
        """Let go of everything; safe to repeat."""
        await self._cache.close()
        with suppress(SourceError, RuntimeError):  # when the disk is dead, or after the first time
            await self._in_thread(self._files.close)
        self._thread.close()

    async def _blocks(self, stored: Stored, needed: Iterable[_Box]) -> tuple[list[_Box], list[NDArray[Any]]]:
        regions = list(needed)
        try:
            async with asyncio.TaskGroup() as group:
                loads = [group.create_task(self._block(stored, region)) for region in regions]
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return regions, [load.result() for load in loads]

    async def _block(self, stored: Stored, region: _Box) -> NDArray[Any]:
        key = (stored.place, stored.version, tuple((each.start, each.stop) for each in region))
        return await self._cache.get(key, lambda: self._load(stored, region))

    async def _load(self, stored: Stored, region: _Box) -> NDArray[Any]:
        async with self._busy:
            if stored.filters is not None:
                corners = _corners(stored, region)
                packed = await self._in_thread(self._files.packed, stored, corners)
                if packed is not None:
                    decoded = await asyncio.to_thread(_decoded, stored, region, corners, packed)
                    if decoded is not None:
                        return decoded
            return await self._in_thread(self._files.part, stored, region)

    async def _in_thread(self, function: Callable[..., _T], *args: Any) -> _T:
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._thread.run(function, *args)
        except TimeoutError as error:
            raise SourceError(
                f"{args[0] if args else 'HDF5'} could not be read within {READ_TIMEOUT_S:g} s",
                hint="is the disk or its server overloaded?",
            ) from error


def _grids(stored: Stored, fixed: frozenset[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The grid of the stored blocks, and one of so many neighbours as are read at once."""
    assert stored.chunks is not None
    single = [1 if at in fixed else size for at, size in enumerate(stored.chunks)]
    some = list(single)
    for at in reversed([at for at in range(len(some)) if at not in fixed]):
        while some[at] * 2 <= ALIGNED and 2 * prod(some) * stored.dtype.itemsize <= BLOCK_BYTES:
            some[at] *= 2
    return tuple(single), tuple(some)


def _regions(stored: Stored, grid: tuple[int, ...], box: _Box, fixed: frozenset[int]) -> Iterable[_Box]:
    """The boxes of the grid that are needed, up to where the dataset ends."""
    axes = []
    for at, (each, size, end) in enumerate(zip(box, grid, stored.shape, strict=True)):
        if at in fixed:
            axes.append([each])
            continue
        starts = range(each.start - each.start % size, each.stop, size)
        axes.append([slice(start, min(start + size, end)) for start in starts])
    return product(*axes)


def _corners(stored: Stored, region: _Box) -> list[tuple[int, ...]]:
    """The first voxel of each stored block that a box needs."""
    assert stored.chunks is not None
    return list(
        product(
            *(
                range(each.start - each.start % size, each.stop, size)
                for each, size in zip(region, stored.chunks, strict=True)
            )
        )
    )


def _decoded(
    stored: Stored, region: _Box, corners: list[tuple[int, ...]], packed: list[bytes | None]
) -> NDArray[Any] | None:
    """The voxels of a box, from the stored blocks it needs; None when only HDF5 can tell what is in them.

    Raises SourceError for blocks that hold more than they should.
    """
    import numpy as np

    assert stored.chunks is not None
    out = np.empty([each.stop - each.start for each in region], stored.dtype)
    for corner, body in zip(corners, packed, strict=True):
        at = tuple(slice(low, low + size) for low, size in zip(corner, stored.chunks, strict=True))
        if body is None:
            block: NDArray[Any] | None = np.broadcast_to(np.asarray(stored.fill, stored.dtype), stored.chunks)
        else:
            block = _unpacked(stored, body, corner)
        if block is None:
            return None
        _paste(block, at, into=out, place=region)
    return out


def _unpacked(stored: Stored, body: bytes, corner: tuple[int, ...]) -> NDArray[Any] | None:
    """One stored block, in no more memory than it should take."""
    import numpy as np

    assert stored.chunks is not None
    assert stored.filters is not None
    size_bytes = prod(stored.chunks) * stored.dtype.itemsize
    try:
        if DEFLATE in stored.filters:
            body = _inflated(body, size_bytes)
    except zlib.error:
        return None
    if len(body) != size_bytes:  # HDF5 would take what is too short for whole
        fact = "more" if len(body) > size_bytes else "less"
        raise SourceError(
            f"{stored.place} is damaged: the block at {corner} holds {fact} than {size_bytes} bytes",
            hint="copy or export the file again",
        )
    if SHUFFLE in stored.filters and stored.dtype.itemsize > 1:
        body = np.frombuffer(body, np.uint8).reshape(stored.dtype.itemsize, -1).T.tobytes()
    return np.frombuffer(body, stored.dtype).reshape(stored.chunks)


def _inflated(body: bytes, size_bytes: int) -> bytes:
    """What is packed, up to a byte more than that. Raises zlib.error when it is damaged."""
    libdeflate = _libdeflate()
    if libdeflate is not None:
        with suppress(RuntimeError):  # more than that, or damaged: zlib tells
            found: bytes = libdeflate(body, out=size_bytes)
            return found
    return zlib.decompressobj().decompress(body, size_bytes + 1)


@cache
def _libdeflate() -> Callable[..., bytes] | None:
    """As imagecodecs has it, where that is installed: it takes 13 ms where zlib takes 22."""
    try:
        decode: Callable[..., bytes] = import_module("imagecodecs").deflate_decode
        decode(zlib.compress(b"tried"), out=5)
    except (ImportError, AttributeError):
        return None
    return decode


def _assembled(
    stored: Stored, box: _Box, order: tuple[int, ...], regions: list[_Box], blocks: list[NDArray[Any]]
) -> NDArray[Any]:
    import numpy as np

    shape = [each.stop - each.start for each in box]
    out: NDArray[Any] = np.empty([shape[at] for at in order], stored.dtype).transpose(np.argsort(order))
    for region, block in zip(regions, blocks, strict=True):
        _paste(block, region, into=out, place=box)
    return out


def _paste(block: NDArray[Any], at: _Box, *, into: NDArray[Any], place: _Box) -> None:
    """Copy what two boxes have in common, from an array of the one to an array of the other."""
    source: list[slice] = []
    target: list[slice] = []
    for one, other in zip(at, place, strict=True):
        low, high = max(one.start, other.start), min(one.stop, other.stop)
        source.append(slice(low - one.start, high - one.start))
        target.append(slice(low - other.start, high - other.start))
    into[tuple(target)] = block[tuple(source)]
