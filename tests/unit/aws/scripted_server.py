"""An HTTP server on loopback that answers as a test says, byte by byte, and keeps what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pydantic import SecretStr

from boss_ingest.aws.account import Account, Keys

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


@dataclass(frozen=True, slots=True)
class Request:
    start: str  # for example "PUT /bucket/key HTTP/1.1"
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def access_key(self) -> str:
        return self.headers["authorization"].partition("Credential=")[2].partition("/")[0]


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Script:
    """`answer` gets each request and the way back; what it leaves open stays open."""

    answer: Answer
    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0


def respond(status: str, body: bytes = b"", **headers: str) -> bytes:
    """A whole HTTP answer. Underscores in header names become dashes."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def scripted(
    answer: bytes | Answer, *, tls: ssl.SSLContext | None = None, heads_only: bool = False
) -> AsyncIterator[Script]:
    """Serve; bytes are the answer to every request, which with `heads_only` comes before its body is read."""

    async def always(_request: Request, writer: asyncio.StreamWriter) -> None:
        assert isinstance(answer, bytes)
        writer.write(answer)

    script = Script(always if isinstance(answer, bytes) else answer)
    open_writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script.connections += 1
        open_writers.add(writer)
        with suppress(asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            while not writer.is_closing():
                request = await _read(reader, with_body=not heads_only)
                script.requests.append(request)
                await script.answer(request, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=2**20, ssl=tls)
    host, port = server.sockets[0].getsockname()[:2]
    script.url = f"http{'s' if tls else ''}://{host}:{port}"
    try:
        yield script
    finally:
        server.close()
        for writer in open_writers:
            writer.close()
        for writer in open_writers:
            with suppress(ConnectionError):
                await writer.wait_closed()
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader, *, with_body: bool) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0))) if with_body else b""
    return Request(head[0], headers, body)


def account(url: str, *, access_keys: tuple[str, ...] = ("AKIDONE",), **more: object) -> Account:
    """An Account whose services are all at `url`, and whose keys are issued in this order."""
    left = iter(access_keys)

    async def issue() -> Keys:
        return Keys(next(left), SecretStr("hush-hush"), SecretStr("token-hush"))

    return Account(issue, queue_url=f"{url}/1/upload-7", concurrency=4, **{"env": {}, **more})  # type: ignore[arg-type]  # passed on as given
