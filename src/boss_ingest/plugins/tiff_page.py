"""One page of a TIFF file, and how a part of it is read: its rows, or the tiles and strips that it touches.

Pixels of an uncompressed page in one piece are read where they lie, short rows together with those of their
neighbours. Everything else is decoded by tifffile and imagecodecs in blocks: one tile, or a run of strips.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from boss_ingest.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

_RUN_ROWS = 128
_CELL = 512
_BLOCK_BYTES = 4 << 20
"""What makes a block: a run of strips of at most so many rows, or the tiles in a square of that side, with at
most so many bytes when they are decoded; one strip or tile at least."""

_SHORT_BYTES = 16 << 10
_BAND_TILES = 8
_BANDS_AT_ONCE = 32
"""Parts of rows as short as that cost more in calls than in bytes. Whole rows are read, once for all tiles
beside each other, if these are at most so many and so many bands fit the cache: 16 slices, and again."""


class File(Protocol):
    """Where the bytes come from."""

    def read(self, offset: int, count: int) -> bytes:
        """Just so many bytes, or SourceError."""

    def read_rows(self, offset: int, row_bytes: int, part_bytes: int, count: int) -> bytes:
        """The first `part_bytes` of each of so many rows, or SourceError."""


@dataclass(frozen=True, slots=True)
class Block:
    """A cell of tiles, a run of strips or a band of rows: where in the page, and where in the file."""

    segment: int  # the first of them in the page's table; of a band, where in the file it begins
    rows: range
    columns: range
    origin_zyx: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Page:
    """A page: `planes` (separate samples), then z, y, x, and `samples` side by side in a pixel.

    Everything is known when it is made: it can be used from any thread.
    """

    name: str
    dtype: Any  # as in the file, with its byte order
    shape: tuple[int, int, int, int, int]  # planes, z, y, x, samples
    kind: int  # tifffile's hash of all that makes two pages alike
    direct: int | None  # where its pixels begin, when they are there as they are and in one piece
    nbytes: int
    inverted: bool  # 0 is white, in 8 bits or fewer: turned round, as Pillow and the Boss do
    offsets: Sequence[int] = ()
    counts: Sequence[int] = ()
    tiled: bool = False
    segment_zyx: tuple[int, int, int] = (1, 1, 1)
    decode: Callable[..., Any] | None = None
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, page: Any, *, name: str) -> Page:
        """From tifffile's page; reads of the file what is still unread of its tables.

        Raises SourceError when it holds no pixels, or fewer than it says.
        """
        if page.dtype is None or not page.dataoffsets or 0 in page.shaped:
            raise SourceError(f"{name} has no pixels, or of no type that can be read")
        shape = tuple(map(int, page.shaped))
        known = {"name": name, "shape": shape, "kind": page.hash, "nbytes": int(page.nbytes)}
        known["inverted"] = page.photometric == 0 and page.dtype.kind in "bu" and page.dtype.itemsize == 1
        if page.is_final and page.dataoffsets[0]:
            stored = sum(page.databytecounts)
            if len(page.dataoffsets) == 1 and 0 < stored < page.nbytes:
                raise SourceError(
                    f"{name} says that it has {stored} bytes of pixels, its size makes them {page.nbytes}",
                    hint="it is damaged: copy or export the file again",
                )
            dtype = page.dtype.newbyteorder(page.parent.byteorder)
            return cls(**known, dtype=dtype, direct=int(page.dataoffsets[0]))
        depth, rows, columns = 1, page.rowsperstrip, shape[3]
        if page.is_tiled:
            depth, rows, columns = page.tiledepth, page.tilelength, page.tilewidth
        options = {}
        if page.compression in {6, 7, 34892, 33007}:  # JPEG, whose tables are kept apart
            options = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        return cls(
            **known,
            dtype=page.dtype,
            direct=None,
            offsets=page.dataoffsets,
            counts=page.databytecounts,
            tiled=bool(page.is_tiled),
            segment_zyx=(depth, min(rows, shape[2]) if not page.is_tiled else rows, columns),
            decode=page.decode,
            options=tuple(options.items()),
        )

    @property
    def weight(self) -> int:
        """How much is kept to know it."""
        return 8 if self.direct is not None else 100 + 2 * len(self.offsets)

    @property
    def cell(self) -> tuple[int, int]:
        """How many segments make a block, down and across."""
        _, rows, columns = self.segment_zyx
        most = max(1, _BLOCK_BYTES // self.segment_bytes)
        if not self.tiled:
            return max(1, min(_RUN_ROWS // rows, most)), 1
        down, across = max(1, _CELL // rows), max(1, _CELL // columns)
        return (down, across) if down * across <= most else (1, 1)

    @property
    def segment_bytes(self) -> int:
        """The decoded size of one tile or strip, all samples of it."""
        z, y, x = self.segment_zyx
        return z * y * x * self.shape[4] * int(self.dtype.itemsize)

    def window(
        self, file: File, rows: range, columns: range, *, at: int | None, plane: int, z: int, sample: int
    ) -> NDArray[Any]:
        """Pixels (yx, read-only) of a direct page; `at` is where its pixels begin, if not where it says.

        Raises SourceError when the file ends before.
        """
        import numpy as np

        width, samples = self.shape[3:]
        pixel_bytes = samples * self.dtype.itemsize
        row_bytes = width * pixel_bytes
        begin = self._row(rows.start, at=at, plane=plane, z=z) + columns.start * pixel_bytes
        shape = (len(rows), len(columns), samples)
        if self._nearly_all(columns):
            count = (len(rows) - 1) * row_bytes + len(columns) * pixel_bytes
            data = file.read(begin, count)
            strides = (row_bytes, pixel_bytes, self.dtype.itemsize)
            whole = np.ndarray(shape, self.dtype, data, strides=strides)
        else:
            data = file.read_rows(begin, row_bytes, len(columns) * pixel_bytes, len(rows))
            whole = np.frombuffer(data, self.dtype).reshape(shape)
        pixels: NDArray[Any] = whole[:, :, sample]
        if self.inverted:
            return ~pixels
        return pixels if samples == 1 else pixels.copy()  # and let go of the other samples

    def band(
        self, rows: range, columns: range, *, at: int | None, plane: int, z: int, cache_bytes: int
    ) -> Block | None:
        """These rows of a direct page, whole, to read instead of a window; None when that is no better."""
        width, samples = self.shape[3:]
        itemsize = int(self.dtype.itemsize)
        short = len(columns) * itemsize < _SHORT_BYTES and not self._nearly_all(columns)
        few = width <= _BAND_TILES * len(columns)
        fits = _BANDS_AT_ONCE * len(rows) * width * itemsize <= cache_bytes
        if samples > 1 or not (short and few and fits):
            return None
        begin = self._row(rows.start, at=at, plane=plane, z=z)
        return Block(begin, range(len(rows)), range(width), (z, rows.start, 0))

    def _row(self, row: int, *, at: int | None, plane: int, z: int) -> int:
        """Where in the file a row of a direct page begins."""
        _, depth, height, width, samples = self.shape
        begin = self.direct if at is None else at
        assert begin is not None
        rows = (plane * depth + z) * height + row
        return begin + rows * width * samples * int(self.dtype.itemsize)

    def _nearly_all(self, columns: range) -> bool:
        """Whether whole rows are hardly more than what is wanted."""
        return 11 * len(columns) >= 10 * self.shape[3]

    def blocks(self, rows: range, columns: range, *, plane: int, z: int) -> Iterator[Block]:
        """The blocks that a part of one image touches."""
        depth, height, width = self.segment_zyx
        _, page_depth, page_height, page_width, _ = self.shape
        down, across, deep = -(-page_height // height), -(-page_width // width), -(-page_depth // depth)
        first = (plane * deep + z // depth) * down * across
        by, bx = self.cell
        for y in range(rows.start // (height * by) * by, -(-rows.stop // height), by):
            for x in range(columns.start // (width * bx) * bx, -(-columns.stop // width), bx):
                yield Block(
                    segment=first + y * across + x,
                    rows=range(min(by, down - y)),
                    columns=range(min(bx, across - x)),
                    origin_zyx=(z // depth * depth, y * height, x * width),
                )

    def load(self, file: File, block: Block, *, sample: int, empty: str, most_bytes: int) -> NDArray[Any]:
        """The pixels (zyx) of a block, cut where the page ends. Decodes: CPU-bound, lets go of the GIL.

        They may be read-only. `empty` is what becomes of a segment that was never written: "fill" or "error".
        Raises SourceError, also for one whose decoded size is above `most_bytes`.
        """
        import numpy as np

        if self.direct is not None:
            band = 1, len(block.rows), len(block.columns)
            data = file.read(block.segment, math.prod(band) * self.dtype.itemsize)
            there = np.frombuffer(data, self.dtype).reshape(band)
            return ~there if self.inverted else there
        if self.segment_bytes > most_bytes:
            what = "tiles" if self.tiled else "strips"
            raise SourceError(
                f"{self.name} is stored in {what} of {self.segment_bytes} bytes; "
                f"for this job one may have up to {most_bytes}",
                hint="save it in tiles of 512 × 512, or give boss-ingest more --memory",
            )
        z, y, x = block.origin_zyx
        depth, height, width = self.segment_zyx
        left = self.shape[1] - z, self.shape[2] - y, self.shape[3] - x
        shape = (
            min(depth, left[0]),
            min(height * len(block.rows), left[1]),
            min(width * len(block.columns), left[2]),
        )
        into: NDArray[Any] = np.zeros(shape, self.dtype)
        across = -(-self.shape[3] // width)
        for row in block.rows:
            for column in block.columns:
                part = into[:, row * height : (row + 1) * height, column * width : (column + 1) * width]
                pixels = self._segment(file, block.segment + row * across + column, empty=empty)
                if pixels is not None:
                    wanted = tuple(map(slice, part.shape))
                    inside = pixels[wanted][..., sample]
                    if inside.shape != part.shape:
                        raise _broken(self.name, f"a part of shape {pixels.shape} holds one of {part.shape}")
                    part[...] = inside
        return ~into if self.inverted else into

    def _segment(self, file: File, number: int, *, empty: str) -> NDArray[Any] | None:
        """A tile or strip, decoded (zyx and samples); None for an empty one that may be."""
        where = f"{'tile' if self.tiled else 'strip'} {number} of {self.name}"
        try:
            offset, count = int(self.offsets[number]), int(self.counts[number])
        except IndexError as error:
            raise _broken(where, "it is not in the page's table") from error
        if not offset or not count:
            if empty == "fill":
                return None
            raise SourceError(  # not a missing one: what lies beside it must not be lost
                f"{where} is empty: it was never written",
                hint='if that is meant to be zeros, set `"empty_blocks": "fill"` in the params of the reader',
            )
        if count > 2 * self.segment_bytes + (1 << 20):
            raise _broken(where, f"it has {count} bytes for {self.segment_bytes} bytes of pixels")
        data = file.read(offset, count)
        assert self.decode is not None
        try:
            decoded: NDArray[Any] = self.decode(data, number, **dict(self.options))[0]
        except Exception as error:
            raise _broken(where, f"{type(error).__name__}: {error}") from error
        return decoded


def _broken(where: str, fact: str) -> SourceError:
    return SourceError(
        f"{where} cannot be decoded: {fact}",
        hint="copy or export the file again; "
        "if it is whole, it may be of a kind that imagecodecs does not know",
    )
