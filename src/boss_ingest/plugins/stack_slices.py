"""Parts of slices, out of the image files they are stored in: one file a slice, or a grid of images.

What tasks share is decoded once, as far as memory goes. When the slices that are worked on at a time fit the
cache, whole images are kept; when they don't, the rows that a row of tiles or chunks needs; when those don't
either, just what was asked for. Plain TIFF on a disk is read in part, where that is less work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from boss_ingest.errors import MissingSourceError, SourceError
from boss_ingest.plugins.block_cache import BlockCache
from boss_ingest.plugins.reader import MadeUp
from boss_ingest.plugins.stack_image import Header, decode, header, take_damage_seriously
from boss_ingest.plugins.stack_tiff import TiffParts, installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from boss_ingest.plugins.objects import Objects
    from boss_ingest.plugins.stack_params import StackChunkParams, StackTileParams

Name = Callable[[int, int, int], str]
"""The path of an image, from slice z and its row and column in the grid. Raises SourceError."""

_AT_ONCE = 16
_FILE_BYTES = 64 << 20
"""A file may be larger than what is decoded from it by this much."""


@dataclass(frozen=True, slots=True)
class Form:
    """How slices are stored, and what one task reads of them, as the job file says."""

    grid: bool
    image_yx: tuple[int, int] | None  # of every file; always known of a grid
    offset_yx: tuple[int, int]
    pad: bool
    most_bytes: int  # of one decoded image
    task_zyx: tuple[int, int, int]
    missing: Literal["error", "zeros", "skip"]

    @classmethod
    def of(
        cls,
        params: StackTileParams | StackChunkParams,
        ingest_job: Mapping[str, Any],
        task_zyx: tuple[int, int, int],
    ) -> Form:
        """Without max_image_bytes an image may take 8 bytes a pixel of image_size, or 1 GB and more."""
        size, extent = params.image_size, ingest_job["extent"]
        likely = 8 * size.x * size.y if size else max(1 << 30, 16 * extent["y"][1] * extent["x"][1])
        return cls(
            grid=params.images == "grid",
            image_yx=(size.y, size.x) if size else None,
            offset_yx=(params.offset_y, params.offset_x),
            pad=params.pad,
            most_bytes=params.max_image_bytes or likely,
            task_zyx=task_zyx,
            missing="zeros" if getattr(params, "fail_gracefully", False) else params.missing,
        )


@dataclass(frozen=True, slots=True)
class _Piece:
    """The part of one image that belongs to a part of a slice, and where it goes there."""

    path: str
    rows: range
    columns: range
    at_yx: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the first image tells: what to keep of each, "tiff" when parts are read of the files."""

    first: str
    header: Header
    keep: Literal["image", "rows", "part", "tiff"]
    turns: asyncio.Semaphore

    def unit(self, piece: _Piece) -> tuple[range | None, range | None]:
        """Which rows and columns of the image to keep in the cache; None is all."""
        if self.keep == "image":
            return None, None
        return piece.rows, None if self.keep == "rows" else piece.columns


class Slices:
    """Reads parts of slices; many at the same time. A quarter of `cache_bytes` is for images in work."""

    def __init__(self, objects: Objects, form: Form, *, cache_bytes: int) -> None:
        take_damage_seriously()
        self._objects = objects
        self._form = form
        self._cache_bytes = cache_bytes - cache_bytes // 4
        self._work_bytes = cache_bytes // 4
        self._cache = BlockCache(self._cache_bytes)
        self._tiff: TiffParts | None = None
        self._plan: _Plan | None = None
        self._planning = asyncio.Lock()

    async def header(self, path: str) -> Header:
        """What the first image says of itself. Raises SourceError, MissingSourceError."""
        return (await self._planned([path])).header

    async def volume(self, name: Name, zs: range, rows: range, columns: range) -> NDArray[Any] | MadeUp:
        """Those voxels (zyx), the coordinates absolute; zeros where images end too early and `pad` is set.

        Raises SourceError naming the file, MissingSourceError for one that isn't there; where the job file
        allows for that, only when none is: the others must not be lost.
        """
        import numpy as np

        pieces = [(z - zs.start, piece) for z in zs for piece in self._pieces(name, z, rows, columns)]
        plan = await self._planned([piece.path for _, piece in pieces] or [name(zs.start, 0, 0)])
        into = np.zeros((len(zs), len(rows), len(columns)), plan.header.dtype)
        try:
            async with asyncio.TaskGroup() as group:
                puts = [group.create_task(self._put(piece, into[at_z], plan)) for at_z, piece in pieces]
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        gone = [error for put in puts if (error := put.result())]
        if not gone:
            return into
        if len(gone) == len(pieces):
            raise gone[0]
        why = f"{len(gone)} of {len(pieces)} images are missing: {gone[0].what}"
        if self._form.missing == "skip":
            hint = 'a chunk can only be left out as a whole: bring the rest, or set "missing": "zeros"'
            raise SourceError(why, hint=hint)
        return MadeUp(into, why)

    def path_at(self, name: Name, z: int, y: int, x: int) -> str:
        """The image that has the pixel at those absolute coordinates. Raises SourceError."""
        found = next(self._pieces(name, z, range(y, y + 1), range(x, x + 1)), None)
        return found.path if found else name(z, 0, 0)

    def where(self, name: Name, zs: range, rows: range, columns: range) -> str:
        """What a person calls those voxels; looks at no disk. Raises SourceError."""
        paths = (self.path_at(name, zs[at], rows[at], columns[at]) for at in (0, -1))
        files = " to ".join(dict.fromkeys(map(self._objects.where, paths)))
        return f"{files} (x {columns.start} to {columns.stop}, y {rows.start} to {rows.stop})"

    async def close(self) -> None:
        """Let go of everything, also of the objects; safe to repeat."""
        await self._cache.close()
        if self._tiff is not None:
            await self._tiff.close()
        await self._objects.close()

    def _pieces(self, name: Name, z: int, rows: range, columns: range) -> Iterator[_Piece]:
        offset_y, offset_x = self._form.offset_yx
        wanted_y = range(rows.start + offset_y, rows.stop + offset_y)
        wanted_x = range(columns.start + offset_x, columns.stop + offset_x)
        if (wanted_y.start < 0 or wanted_x.start < 0) and not self._form.pad:
            raise SourceError(
                f"{self._objects.where(name(z, 0, 0))}: the job asks for what begins at "
                f"row {wanted_y.start}, column {wanted_x.start}",
                hint="correct ingest_job.extent, or offset_x and offset_y in the params of the processor",
            )
        tall, wide = self._form.image_yx if self._form.grid and self._form.image_yx else (None, None)
        for row, top, within_y in _cut(wanted_y, tall):
            for column, left, within_x in _cut(wanted_x, wide):
                yield _Piece(name(z, row, column), within_y, within_x, (top, left))

    async def _put(self, piece: _Piece, into: NDArray[Any], plan: _Plan) -> MissingSourceError | None:
        """Returns what is not there, where the job file allows for that."""
        try:
            part = await self._part_of_tiff(piece) if plan.keep == "tiff" else None
            if part is None:
                part = await self._part_of_image(piece, plan)
        except MissingSourceError as error:
            if self._form.missing == "error":
                raise
            return error
        if part.dtype != into.dtype:
            raise SourceError(
                f"{self._objects.where(piece.path)} holds {part.dtype.name} values, "
                f"{self._objects.where(plan.first)} {into.dtype.name}",
                hint="save all slices alike: their values may not mean the same",
            )
        top, left = piece.at_yx
        target = into[top : top + part.shape[0], left : left + part.shape[1]]
        await asyncio.to_thread(_copy, part, target)
        return None

    async def _part_of_image(self, piece: _Piece, plan: _Plan) -> NDArray[Any]:
        rows, columns = plan.unit(piece)
        load = partial(self._load, piece, rows, columns, plan)
        block = await self._cache.get((piece.path, rows, columns), load)
        above = piece.rows.start - (rows.start if rows else 0)
        before = piece.columns.start - (columns.start if columns else 0)
        part = block[above : above + len(piece.rows), before : before + len(piece.columns)]
        if part.shape != (len(piece.rows), len(piece.columns)):
            self._check_covers(piece, block.shape)
        return part

    async def _part_of_tiff(self, piece: _Piece) -> NDArray[Any] | None:
        """None when it takes more than tifffile: an image in another format among them."""
        assert self._tiff is not None
        path, name = await self._objects.local_path(piece.path), self._objects.where(piece.path)
        found = await self._tiff.header(path, name)
        if found is None:
            return None
        size_yx = (found[0].rows, found[0].columns)
        self._check_size(name, size_yx)
        self._check_covers(piece, size_yx)
        return await self._tiff.read(path, name, piece.rows, piece.columns)

    async def _load(
        self, piece: _Piece, rows: range | None, columns: range | None, plan: _Plan
    ) -> NDArray[Any]:
        async with plan.turns:
            body = await self._objects.read(piece.path, most_bytes=self._form.most_bytes + _FILE_BYTES)
            return await asyncio.to_thread(self._decode, body, piece, rows, columns)

    def _decode(self, body: bytes, piece: _Piece, rows: range | None, columns: range | None) -> NDArray[Any]:
        import numpy as np

        name = self._objects.where(piece.path)
        image = decode(body, name=name, most_bytes=self._form.most_bytes)
        self._check_size(name, image.shape)
        if rows is None:
            return image
        self._check_covers(piece, image.shape)
        part = image[rows.start : rows.stop]
        if columns is not None:
            part = part[:, columns.start : columns.stop]
        return np.array(part)  # and let go of the image

    async def _planned(self, paths: list[str]) -> _Plan:
        """By the first of these images; by the first that is there, where the job file allows for that."""
        async with self._planning:
            for path in paths:
                if self._plan is not None:
                    break
                try:
                    body = await self._objects.read(path, most_bytes=self._form.most_bytes + _FILE_BYTES)
                except MissingSourceError:
                    if self._form.missing == "error" or path == paths[-1]:
                        raise
                    continue
                found = await asyncio.to_thread(header, body, name=self._objects.where(path))
                self._plan = await self._or_in_part(self._plan_for(path, found))
            assert self._plan is not None
            return self._plan

    async def _or_in_part(self, plan: _Plan) -> _Plan:
        """The same, or to read parts of plain TIFF: of files that are uncompressed, or too large to keep."""
        if not self._objects.keeps_files or not installed():
            return plan
        self._tiff = TiffParts(cache_bytes=self._cache_bytes, most_bytes=self._form.most_bytes)
        path = await self._objects.local_path(plan.first)
        found = await self._tiff.header(path, self._objects.where(plan.first))
        if found is None or (plan.keep == "image" and not found[1]):
            return plan
        return replace(plan, keep="tiff", header=found[0])

    def _plan_for(self, path: str, found: Header) -> _Plan:
        depth, tall, wide = self._form.task_zyx
        across = down = 1
        if self._form.grid:
            down, across = -(-tall // max(1, found.rows)), -(-wide // max(1, found.columns))
        at_a_time_bytes = depth * down * across * found.image_bytes
        if at_a_time_bytes <= self._cache_bytes:
            keep: Literal["image", "rows", "part"] = "image"
        elif at_a_time_bytes * min(1.0, tall / max(1, found.rows)) <= self._cache_bytes:
            keep = "rows"
        else:
            keep = "part"
        turns = max(2, min(_AT_ONCE, self._work_bytes // max(1, 2 * found.image_bytes)))
        return _Plan(path, found, keep, asyncio.Semaphore(turns))

    def _check_size(self, name: str, shape_yx: tuple[int, ...]) -> None:
        expected = self._form.image_yx
        if expected is None or shape_yx == expected:
            return
        if self._form.grid and all(have <= most for have, most in zip(shape_yx, expected, strict=True)):
            return  # at the edge, or else it is missed where it is needed
        raise SourceError(
            f"{name} is {shape_yx[0]} rows × {shape_yx[1]} columns, "
            f"the job file's image_size says {expected[0]} × {expected[1]}",
            hint="correct image_size in the params of the processor, or export the file again",
        )

    def _check_covers(self, piece: _Piece, shape_yx: tuple[int, ...]) -> None:
        covers = shape_yx[0] >= piece.rows.stop and shape_yx[1] >= piece.columns.stop
        if covers or self._form.pad:
            return
        raise SourceError(
            f"{self._objects.where(piece.path)} is {shape_yx[0]} rows × {shape_yx[1]} columns, "
            f"the job asks for rows {piece.rows.start} to {piece.rows.stop}, "
            f"columns {piece.columns.start} to {piece.columns.stop}",
            hint='correct ingest_job.extent, or set `"pad": true` in the params of the processor to fill '
            "what is missing with zeros",
        )


def _cut(span: range, size: int | None) -> Iterator[tuple[int, int, range]]:
    """The images along one axis that a span touches: their number, where in the span, and what of them."""
    if size is None:
        begin = max(0, span.start)
        if begin < span.stop:
            yield 0, begin - span.start, range(begin, span.stop)
        return
    for number in range(max(0, span.start) // size, -(-span.stop // size)):
        first, last = max(span.start, number * size), min(span.stop, (number + 1) * size)
        yield number, first - span.start, range(first - number * size, last - number * size)


def _copy(part: NDArray[Any], into: NDArray[Any]) -> None:
    into[...] = part


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """One of them: the others would say the same of other files."""
    error = errors.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
