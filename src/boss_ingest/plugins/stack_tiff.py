"""Slices stored as plain TIFF, read in part: only the rows, tiles or strips that are asked for.

Uncompressed, a part of 512 × 512 of a slice of 8192 × 8192 takes 2 ms, all of it with Pillow 150 ms.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boss_ingest.plugins.files import unreadable
from boss_ingest.plugins.read_threads import read_in_thread
from boss_ingest.plugins.stack_image import TIFF_BEGINS, Header
from boss_ingest.plugins.tiff_files import TiffFiles
from boss_ingest.plugins.tiff_planes import Plane, Planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_OPEN = 64
_ORIENTATION = 274


class TiffParts:
    """Parts of files on a disk; what several parts share is decoded once, within `cache_bytes`."""

    def __init__(self, *, cache_bytes: int, most_bytes: int) -> None:
        self._files = TiffFiles(_MOST_OPEN)
        self._planes = Planes(self._files, most_block_bytes=most_bytes, cache_bytes=cache_bytes)

    async def header(self, path: Path, name: str) -> tuple[Header, bool] | None:
        """What a plain TIFF says of itself, and whether its pixels can be read where they lie; else None.

        Plain: one upright image of grey pixels. Raises SourceError, MissingSourceError.
        """
        return await read_in_thread(self._header, path, name)

    async def read(self, path: Path, name: str, rows: range, columns: range) -> NDArray[Any]:
        """That part (yx), native byte order, cut where the image ends. Raises SourceError."""
        part = await self._planes.window(Plane(str(path), 0, name=name), rows, columns)
        return part.astype(part.dtype.newbyteorder("="), copy=False)

    async def close(self) -> None:
        """Let go of blocks and files; safe to repeat."""
        await self._planes.close()

    def _header(self, path: Path, name: str) -> tuple[Header, bool] | None:
        try:
            with path.open("rb") as file:
                begins = file.read(4)
        except OSError as error:
            raise unreadable(name, error) from error
        if begins not in TIFF_BEGINS:
            return None
        with self._files.use(str(path), name=name) as tiff:
            pages = tiff.tiff.pages
            first = pages.first
            orientation = first.tags.valueof(_ORIENTATION, default=1)
            grey = first.ndim == 2 and first.photometric == 1 and first.bitspersample in {8, 16, 32, 64}
            if not grey or orientation != 1 or len(pages) != 1:
                return None
            return Header(first.imagelength, first.imagewidth, first.dtype.name), bool(first.is_final)


def installed() -> bool:
    """Whether the library is there: without it whole images are read."""
    return find_spec("tifffile") is not None
