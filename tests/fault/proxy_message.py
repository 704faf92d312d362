"""HTTP/1.1 as the fault proxy reads it: connections, and messages whose bytes are kept as they came."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from multidict import CIMultiDict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Pace = Callable[[int], Awaitable[None]]  # waits as long as so many bytes take

_PIECE_BYTES = 64 << 10
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: what is unsent is dropped, the peer gets a RST


class Gone(Exception):  # noqa: N818 - a state of the connection, not a fault of the program
    """The other side has closed or reset the connection."""


class Wire:
    """One connection. All reads raise Gone when it ends before what they wait for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()

    @classmethod
    async def connect(cls, host: str, port: int) -> Wire:
        try:
            return cls(*await asyncio.open_connection(host, port))
        except OSError as error:
            raise Gone from error

    async def head(self) -> bytes:
        """Up to and with the empty line."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            await self._fill()
        return self._take(end + 4)

    async def exactly(self, size: int, pace: Pace | None = None) -> bytes:
        if pace:
            await pace(min(size, len(self._buffer)))
        while len(self._buffer) < size:
            await self._fill(pace)
        return self._take(size)

    async def chunked(self) -> bytes:
        """A chunked body with its framing and trailers."""
        taken = bytearray()
        while True:
            line = await self._line()
            taken += line
            size = int(line.partition(b";")[0], 16)
            if size == 0:
                break
            taken += await self.exactly(size + 2)
        while (line := await self._line()) != b"\r\n":
            taken += line
        return bytes(taken + line)

    async def rest(self) -> bytes:
        """All there is until the other side closes."""
        with suppress(Gone):
            while True:
                await self._fill()
        return self._take(len(self._buffer))

    async def gone(self) -> None:
        """Return when the other side has closed; what it sends meanwhile is kept."""
        with suppress(Gone):
            while True:
                await self._fill()

    async def send(self, data: bytes, pace: Pace | None = None) -> None:
        try:
            for start in range(0, len(data), _PIECE_BYTES):
                piece = data[start : start + _PIECE_BYTES]
                if pace:
                    await pace(len(piece))
                self._writer.write(piece)
                await self._writer.drain()
        except OSError as error:
            raise Gone from error

    def close(self) -> None:
        """Close in good order, after what is sent."""
        self._writer.close()

    def reset(self) -> None:
        """Drop the connection; the other side is told so in the rudest way."""
        with suppress(OSError):
            sock = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()

    async def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            await self._fill()
        return self._take(end + 2)

    async def _fill(self, pace: Pace | None = None) -> None:
        try:
            piece = await self._reader.read(_PIECE_BYTES)
        except OSError as error:
            raise Gone from error
        if not piece:
            raise Gone
        if pace:
            await pace(len(piece))
        self._buffer += piece

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


@dataclass(slots=True)
class _Message:
    head: bytes = field(repr=False)
    body: bytes = field(default=b"", repr=False)  # as on the wire, chunked or not
    headers: CIMultiDict[str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = CIMultiDict()
        for line in self.head.decode("latin-1").split("\r\n")[1:-2]:
            name, _, value = line.partition(":")
            self.headers.add(name, value.strip())

    @property
    def start(self) -> list[str]:
        """The three words of the first line."""
        return self.head.partition(b"\r\n")[0].decode("latin-1").split(" ", 2)

    @property
    def is_chunked(self) -> bool:
        return "chunked" in self.headers.get("Transfer-Encoding", "").lower()

    @property
    def ends_connection(self) -> bool:
        asked = self.headers.get("Connection", "").lower()
        return asked == "close" or (b"HTTP/1.0" in self.head.partition(b"\r\n")[0] and asked != "keep-alive")

    def json(self) -> Any:
        """The body as JSON; {} when there is none."""
        return json.loads(self.body or b"{}")


class Request(_Message):
    """One request."""

    @property
    def method(self) -> str:
        return self.start[0]

    @property
    def path(self) -> str:
        return self.start[1]

    async def read_body(self, wire: Wire, pace: Pace | None = None) -> None:
        """Read the rest of it, after asking for it where the client waits to be asked."""
        if self.headers.get("Expect", "").lower() == "100-continue":
            await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.body = await (
            wire.chunked()
            if self.is_chunked
            else wire.exactly(int(self.headers.get("Content-Length", 0)), pace)
        )


class Response(_Message):
    """One answer; `replace` makes another of it."""

    @property
    def status(self) -> int:
        return int(self.start[1])

    def replace(self, *, status: int | None = None, body: bytes | None = None, **headers: str | None) -> None:
        """Change parts of it; header names with _ for -, None to leave one out."""
        status = self.status if status is None else status
        self.body = self.body if body is None else body
        for name, value in headers.items():
            self.headers.pop(name.replace("_", "-"), None)
            if value is not None:
                self.headers[name.replace("_", "-")] = value
        if body is not None:
            self.headers.pop("Transfer-Encoding", None)
            self.headers["Content-Length"] = str(len(body))
        lines = [f"HTTP/1.1 {status} {_phrase(status)}", *(f"{k}: {v}" for k, v in self.headers.items())]
        self.head = "\r\n".join([*lines, "", ""]).encode("latin-1")

    def replace_json(self, value: Any) -> None:
        """Change its body."""
        self.replace(body=json.dumps(value).encode())

    @classmethod
    def make(cls, status: int, body: bytes, headers: dict[str, str]) -> Response:
        """Of the proxy's own."""
        made = cls(b"HTTP/1.1 200 OK\r\n\r\n")
        made.headers.extend(headers)
        made.replace(status=status, body=body)
        return made

    @classmethod
    async def read(cls, wire: Wire, *, method: str) -> Response:
        """The final answer to a request of that method."""
        response = cls(await wire.head())
        while response.status < 200:
            response = cls(await wire.head())
        if method == "HEAD" or response.status in {204, 304}:
            return response
        if response.is_chunked:
            response.body = await wire.chunked()
        elif "Content-Length" in response.headers:
            response.body = await wire.exactly(int(response.headers["Content-Length"]))
        else:
            response.body = await wire.rest()
        return response


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
