"""Parts of images (yx) out of TIFF files: many at a time off the event loop, or one by one.

Blocks that several parts share are decoded once, kept in a cache of bounded bytes. imagecodecs lets go of the
GIL while it decodes, so threads do: two of them on two cores decode 512 × 512 tiles of deflate with predictor
1.8 times as fast as one, 256 × 256 tiles of Zstandard 1.5 times, LZW in strips of 8 rows 1.1 times.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from boss_ingest.errors import SourceError
from boss_ingest.plugins.block_cache import BlockCache
from boss_ingest.plugins.files import READ_TIMEOUT_S, Version, changed
from boss_ingest.plugins.read_threads import read_in_thread
from boss_ingest.plugins.tiff_files import TiffFiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from boss_ingest.plugins.tiff_page import Block, Page

Empty = Literal["fill", "error"]

_AT_ONCE = 16
"""How many blocks are loaded at the same time; more would only wait in memory."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One image: a page of a file, and what of it. Pages are counted from 0.

    `at` is where its pixels begin, in files that have one page for a run of images. With `kind`, the page
    must be of that kind (Page.kind); with `version`, the file of that version; `alone`, the page must hold no
    more than this image, as one in colour does. `name` is what errors call the file.
    """

    path: str
    page: int
    at: int | None = None
    plane: int = 0
    z: int = 0
    sample: int = 0
    kind: int | None = None
    version: Version | None = None
    alone: bool = False
    name: str = ""


class Planes:
    """Reads parts of planes. `most_block_bytes`: the largest tile or strip that is decoded at all."""

    def __init__(
        self, files: TiffFiles, *, most_block_bytes: int, cache_bytes: int = 0, empty: Empty = "error"
    ) -> None:
        self._files = files
        self._cache = BlockCache(cache_bytes)
        self._cache_bytes = cache_bytes
        self._most_block_bytes = most_block_bytes
        self._empty: Empty = empty
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def window(
        self, at: Plane, rows: range, columns: range, *, into: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """That part of an image (yx), cut where the image ends; written to `into` when that is given.

        Raises SourceError naming file and page; a MissingSourceError when there is no file.
        """
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await self._window(at, rows, columns, into)
        except TimeoutError as error:
            raise SourceError(
                f"{at.name or at.path} page {at.page} could not be read within {READ_TIMEOUT_S:g} s",
                hint="is the disk or its server overloaded?",
            ) from error

    def window_now(self, at: Plane, rows: range, columns: range) -> NDArray[Any]:
        """The same, blocking, and keeping no block."""
        found = self._begin(at, rows, columns, None, cache_bytes=0)
        if not isinstance(found, _Work):
            return found
        return found.join([self._load(found, block) for block in found.blocks], None)

    async def page(self, at: Plane) -> Page:
        """What is known of a plane's page. Raises SourceError, MissingSourceError."""
        return await read_in_thread(self._page, at)

    def _page(self, at: Plane) -> Page:
        with self._files.use(at.path, name=at.name) as file:
            return file.frame(at.page)[0]

    async def close(self) -> None:
        """Let go of all blocks and files; safe to repeat."""
        await self._cache.close()
        await asyncio.to_thread(self._files.close)

    def close_now(self) -> None:
        """Let go of the files, where no loop runs."""
        self._files.close()

    async def _window(
        self, at: Plane, rows: range, columns: range, into: NDArray[Any] | None
    ) -> NDArray[Any]:
        async with self._turn:
            found = await read_in_thread(self._begin, at, rows, columns, into, self._cache_bytes)
        if not isinstance(found, _Work):
            return found
        shared = replace(at, z=0, version=found.version)
        blocks = await asyncio.gather(
            *(self._cache.get((shared, block), partial(self._turned, found, block)) for block in found.blocks)
        )
        return await asyncio.to_thread(found.join, blocks, into)

    async def _turned(self, work: _Work, block: Block) -> NDArray[Any]:
        async with self._turn:
            return await read_in_thread(self._load, work, block)

    def _begin(
        self, at: Plane, rows: range, columns: range, into: NDArray[Any] | None, cache_bytes: int
    ) -> NDArray[Any] | _Work:
        """The pixels when they can be read at once, else which blocks they are in."""
        with self._files.use(at.path, name=at.name) as file:
            if at.version not in (None, file.version):
                raise changed(file.name)
            page, begin = (file.page(at.page), at.at) if at.at is not None else file.frame(at.page)
            if at.kind is not None and page.kind != at.kind:
                raise SourceError(
                    f"{page.name} has another size, type or compression than the first page of the volume",
                    hint="save all slices alike, or the ones that differ to a file of their own",
                )
            planes, depth, height, width, samples = page.shape
            if at.alone and planes * depth * samples > 1:
                raise SourceError(
                    f"{page.name} has {planes * depth * samples} numbers a pixel, the Boss stores one",
                    hint="save each colour to pages of its own, or read one of them with tiff.TiffTileReader",
                )
            rows, columns = rows[: max(0, height - rows.start)], columns[: max(0, width - columns.start)]
            if not rows or not columns:
                raise SourceError(
                    f"{page.name} has {height} rows × {width} columns, what is asked for begins "
                    f"at row {rows.start}, column {columns.start}",
                    hint="correct ingest_job.extent",
                )
            if page.direct is None and begin is not None:
                raise SourceError(f"{page.name} is not in one piece, as the file says that it is")
            if page.direct is not None:
                band = page.band(rows, columns, at=begin, plane=at.plane, z=at.z, cache_bytes=cache_bytes)
                if band is not None:
                    return _Work(page, file.version, at, rows, columns, [band])
                pixels = page.window(file, rows, columns, at=begin, plane=at.plane, z=at.z, sample=at.sample)
                return _put(pixels, into)
            blocks = list(page.blocks(rows, columns, plane=at.plane, z=at.z))
            return _Work(page, file.version, at, rows, columns, blocks)

    def _load(self, work: _Work, block: Block) -> NDArray[Any]:
        at = work.at
        with self._files.use(at.path, name=at.name) as file:
            if file.version != work.version:
                raise changed(file.name)
            return work.page.load(
                file, block, sample=at.sample, empty=self._empty, most_bytes=self._most_block_bytes
            )


@dataclass(frozen=True, slots=True)
class _Work:
    page: Page
    version: Version  # of the file
    at: Plane
    rows: range
    columns: range
    blocks: list[Block]

    def join(self, parts: Sequence[NDArray[Any]], into: NDArray[Any] | None) -> NDArray[Any]:
        """The part that was asked for (may be read-only), out of the blocks it touches."""
        import numpy as np

        if into is None and len(parts) == 1:
            z, y, x = self.blocks[0].origin_zyx
            top, left = self.rows.start - y, self.columns.start - x
            view: NDArray[Any] = parts[0][self.at.z - z]
            view = view[top : top + len(self.rows), left : left + len(self.columns)]
            if 2 * view.nbytes >= parts[0].nbytes:
                return view  # keeps no more alive than a copy would take again
        if into is None:
            into = np.empty((len(self.rows), len(self.columns)), parts[0].dtype)
        for block, pixels in zip(self.blocks, parts, strict=True):
            z, y, x = block.origin_zyx
            _, tall, wide = pixels.shape
            top, bottom = max(y, self.rows.start), min(y + tall, self.rows.stop)
            left, right = max(x, self.columns.start), min(x + wide, self.columns.stop)
            into[
                top - self.rows.start : bottom - self.rows.start,
                left - self.columns.start : right - self.columns.start,
            ] = pixels[self.at.z - z, top - y : bottom - y, left - x : right - x]
        return into


def _put(pixels: NDArray[Any], into: NDArray[Any] | None) -> NDArray[Any]:
    if into is None:
        return pixels
    into[...] = pixels
    return into
