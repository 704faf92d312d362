"""The body of a request: bytes in memory that are sent without being copied first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from aiohttp.payload import Payload

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

_PIECE_BYTES = 256 * 1024


class MemoryBody(Payload):
    """A buffer as aiohttp sends it: in pieces, so that other requests get their turn in between."""

    def __init__(self, body: bytes | memoryview) -> None:
        self._view = memoryview(body).cast("B")
        super().__init__(self._view)
        self._size = self._view.nbytes

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> NoReturn:
        """Not text."""
        raise TypeError(f"the body of a request is not text, not in {encoding} with {errors} errors either")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        for start in range(0, self._view.nbytes, _PIECE_BYTES):
            await writer.write(self._view[start : start + _PIECE_BYTES])
