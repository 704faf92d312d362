"""A reverse proxy that does to requests what networks and services do on a bad day, by a seeded script.

    async with FaultProxy(upstream=boss.url, seed=7) as proxy:
        proxy.add("s3.PutObject", Answer(503, "SlowDown", retry_after_s=1), times=3, after=10)

It stands before a local Boss (REST, SQS and S3 on one port) or moto. Bytes go through unchanged, the Host
header too, so signatures stay good. Operations are named as local/faults.py names them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from tests.fault import proxy_services as services
from tests.fault.proxy_faults import (
    Answer,
    Bandwidth,
    Cut,
    Exchange,
    Fault,
    Flip,
    Garbage,
    Hang,
    Latency,
    Noise,
    Reset,
    Rewrite,
    Seen,
    Tell,
)
from tests.fault.proxy_message import Gone, Request, Response, Wire
from tests.fault.proxy_script import Happening, Script

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from tests.fault.proxy_faults import On
    from tests.fault.proxy_message import Pace

__all__ = [
    "Answer", "Bandwidth", "Cut", "Exchange", "Fault", "FaultProxy", "Flip", "Garbage", "Hang", "Latency",
    "Noise", "Reset", "Rewrite", "Seen", "Tell",
]  # fmt: skip


class FaultProxy:
    """Async context manager. `url` is where clients go; `upstream` may be set anew when the server moves.

    `calls` counts the requests by operation, `log` has each of them and what became of it. When the server
    cannot be reached, the client's connection is reset.
    """

    def __init__(self, upstream: str, *, seed: int = 0) -> None:
        self.upstream = upstream
        self.url = ""
        self.calls: Counter[str] = Counter()
        self.log: list[Seen] = []
        self._script = Script(seed)
        self._at_work: set[asyncio.Task[None]] = set()
        self._failed: list[BaseException] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._at_work:
            task.cancel()
        await asyncio.gather(*self._at_work, return_exceptions=True)
        await self._server.wait_closed()
        if self._failed:
            raise self._failed[0]  # of a predicate, a Rewrite or a Tell, or the proxy's own

    def add(
        self, on: On, fault: Fault, *, times: int | None = 1, after: int = 0, chance: float = 1.0
    ) -> None:
        """Let `fault` happen to the next `times` matching requests (None: all), leaving the first `after`.

        `on` is an operation, a prefix such as "s3." or "", or a predicate. With a `chance` the dice say
        which of them; they are cast anew for each, from the seed.
        """
        self._script.add(on, fault, times=times, after=after, chance=chance)

    def clear(self) -> None:
        """From the next request on everything works again; connections that hang go on hanging."""
        self._script.clear()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(Wire(reader, writer)))
        self._at_work.add(task)
        task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._failed.append(error)

    async def _serve(self, client: Wire) -> None:
        try:
            while await self._one(client):
                pass
            client.close()
        except Gone:
            client.reset()
        except BaseException:
            client.reset()
            raise

    async def _one(self, client: Wire) -> bool:
        """See one request through; whether the connection can be used again."""
        try:
            request = Request(await client.head())
        except Gone:
            return False
        of_s3 = services.service(request) == "s3"
        if not of_s3:
            await request.read_body(client)
        seen = self._see(request)
        happening = self._script.take(seen)
        seen.met = happening.is_any
        await _tell(happening, "before", seen)
        await asyncio.sleep(happening.latency_s)
        if isinstance(happening.fault, Hang) and happening.fault.when == "before":
            await client.gone()
            return False
        if happening.fault == Reset("before"):
            raise Gone
        pace = _pace(happening)
        if of_s3:
            await request.read_body(client, pace)
        elif pace:
            await pace(len(request.body))
        if isinstance(happening.fault, Noise):
            await client.send(happening.fault.sent)
            return False
        answer = await self._answer(client, request, seen, happening)
        sent = answer.head + answer.body
        if isinstance(happening.fault, Cut):
            await client.send(sent[: happening.fault.sent_bytes], pace)
            return False
        await client.send(sent, pace)
        seen.status = answer.status
        return not (request.ends_connection or answer.ends_connection)

    async def _answer(self, client: Wire, request: Request, seen: Seen, happening: Happening) -> Response:
        """What the client is to get. Raises Gone when that is nothing."""
        match happening.fault:
            case Answer() as wanted:
                return services.error(services.service(request), wanted, head=request.method == "HEAD")
            case Garbage(when="before") as garbage:
                return _page(garbage)
            case Reset("during"):
                await self._break_off(request)
                raise Gone
            case Flip():
                request.body = _flipped(request.body)
        answer = await _unless_gone(client, self._ask(request))
        seen.answered = answer.status
        await _tell(happening, "after", seen)
        match happening.fault:
            case Reset("after"):
                raise Gone
            case Hang():
                await client.gone()
                raise Gone
            case Garbage() as garbage:
                return _page(garbage)
            case Rewrite(change):
                change(Exchange(seen, request, answer))
        return answer

    def _see(self, request: Request) -> Seen:
        operation, key = services.name(request)
        at_s = asyncio.get_running_loop().time()
        seen = Seen(len(self.log) + 1, operation, request.method, request.path, key, request.headers, at_s)
        self.log.append(seen)
        self.calls[operation] += 1
        return seen

    async def _ask(self, request: Request) -> Response:
        server = await self._connect()
        try:
            await server.send(request.head + request.body)
            return await Response.read(server, method=request.method)
        finally:
            server.close()

    async def _break_off(self, request: Request) -> None:
        """Let the server see the head and half of the body, or half of the head when there is no body."""
        whole = request.head + request.body
        seen = len(request.head) + len(request.body) // 2 if request.body else len(request.head) // 2
        server = await self._connect()
        await server.send(whole[:seen])
        server.reset()

    async def _connect(self) -> Wire:
        address = urlsplit(self.upstream)
        return await Wire.connect(address.hostname or "127.0.0.1", address.port or 80)


async def _unless_gone(client: Wire, asking: Coroutine[Any, Any, Response]) -> Response:
    """The answer; a client that goes meanwhile takes its request with it, as without a proxy."""
    asked, gone = asyncio.create_task(asking), asyncio.create_task(client.gone())
    try:
        await asyncio.wait([asked, gone], return_when=asyncio.FIRST_COMPLETED)
        if not asked.done():
            raise Gone
        return asked.result()
    finally:
        for task in (asked, gone):
            task.cancel()
        await asyncio.gather(asked, gone, return_exceptions=True)


async def _tell(happening: Happening, moment: str, seen: Seen) -> None:
    for tell in happening.to_tell(moment):
        if (told := tell.call(seen)) is not None:
            await told


def _pace(happening: Happening) -> Pace | None:
    if happening.bytes_per_s is None:
        return None
    rate = happening.bytes_per_s

    async def pace(size_bytes: int) -> None:
        await asyncio.sleep(size_bytes / rate)

    return pace


def _page(garbage: Garbage) -> Response:
    return Response.make(garbage.status, garbage.body, {"Content-Type": garbage.content_type})


def _flipped(body: bytes) -> bytes:
    if not body:
        return body
    at = len(body) // 2
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
