"""The body of a request: bytes in memory that are sent without being copied first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from aiohttp.payload import Payload

from boss_ingest.aws.bucket import buffers, size_bytes

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from boss_ingest.aws.bucket import Body

_PIECE_BYTES = 256 * 1024


class MemoryBody(Payload):
    """Buffers as aiohttp sends them: in pieces, so that other requests get their turn in between."""

    def __init__(self, body: Body) -> None:
        self._views = [memoryview(buffer).cast("B") for buffer in buffers(body)]
        super().__init__(self._views)
        self._size = size_bytes(body)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> NoReturn:
        """Not text."""
        raise TypeError(f"the body of a request is not text, not in {encoding} with {errors} errors either")

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        for view in self._views:
            for start in range(0, view.nbytes, _PIECE_BYTES):
                await writer.write(view[start : start + _PIECE_BYTES])
