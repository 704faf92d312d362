"""The body of a PUT: bytes in memory that are hashed and sent without being copied."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NoReturn

from aiohttp.payload import Payload

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

_PIECE_BYTES = 256 * 1024


class MemoryBody(Payload):
    """A buffer, seen as a file by botocore, which hashes it, and as a payload by aiohttp, which sends it.

    aiohttp would write large bytes at once, and read a file in threads; here the buffer goes to the
    transport in pieces, so that other requests get their turn in between.
    """

    def __init__(self, body: bytes | memoryview) -> None:
        self._view = memoryview(body).cast("B")
        self._position = 0
        super().__init__(self._view)
        self._size = self._view.nbytes

    def __len__(self) -> int:
        return self._view.nbytes

    def read(self, size: int | None = None) -> memoryview:
        """The next `size` bytes, or all that are left."""
        stop = None if size is None or size < 0 else self._position + size
        piece = self._view[self._position : stop]
        self._position += piece.nbytes
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of a file."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self)}[whence]
        self._position = min(max(start + offset, 0), len(self))
        return self._position

    def tell(self) -> int:
        """As of a file."""
        return self._position

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> NoReturn:
        """Not text."""
        raise TypeError(f"the body of a PUT is not text, not in {encoding} with {errors} errors either")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it; can be repeated on another connection."""
        for start in range(0, len(self), _PIECE_BYTES):
            await writer.write(self._view[start : start + _PIECE_BYTES])
