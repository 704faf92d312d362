"""A server that is there and says nothing: every request to the Boss, SQS and S3 ends, and lets it go."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from boss_ingest.aws import s3, sqs, transport
from boss_ingest.aws.account import Account, Keys
from boss_ingest.aws.queue import Lease
from boss_ingest.boss.client import BossClient
from boss_ingest.errors import GaveUpError, TransientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

LIMIT_S = 0.3
FAR_TOO_LONG_S = 25.0  # less than any limit that is not shortened here

SILENCES = {
    "nothing": b"",
    "half a line": b"HTTP/1.1 20",
    "a head without a body": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
    "half a body": b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"Messages":',
    "a chunk and no more": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
}
LEASE = Lease("m", "receipt", "body", 0.0, 1)


async def _lease(account: Account, url: str) -> None:
    await account.upload_queue(url).lease(10, wait_s=0.0, lease_s=60.0)


async def _acknowledge(account: Account, url: str) -> None:
    await account.upload_queue(url).acknowledge(LEASE)


async def _depth(account: Account, url: str) -> None:
    await account.upload_queue(url).depth()


async def _index(account: Account, url: str) -> None:
    await account.index_queue(url).send("message")


async def _put(account: Account, _url: str) -> None:
    await account.bucket("tiles").put("key", b"body" * 1000, metadata={})


REQUESTS: dict[str, Callable[[Account, str], Awaitable[None]]] = {
    "lease": _lease, "acknowledge": _acknowledge, "depth": _depth, "index": _index, "put": _put,
}  # fmt: skip
QUESTIONS: dict[str, Callable[[BossClient], Awaitable[object]]] = {
    "join": lambda boss: boss.join(7),
    "status": lambda boss: boss.status(7),
    "complete": lambda boss: boss.complete(7),
    "cancel": lambda boss: boss.cancel(7),
    "create": lambda boss: boss.create({}),
    "jobs": lambda boss: boss.jobs(),
}


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a minute in life is a moment here."""
    monkeypatch.setattr(sqs, "_ANSWER_LIMIT_S", LIMIT_S)
    monkeypatch.setattr(s3, "_ANSWER_LIMIT_S", LIMIT_S)
    monkeypatch.setitem(sqs.Sqs.call.__kwdefaults__, "limit_s", LIMIT_S)


@pytest.mark.parametrize("silence", SILENCES.values(), ids=SILENCES)
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_sqs_and_s3_that_fall_silent_are_let_go(
    request_: Callable[[Account, str], Awaitable[None]], silence: bytes
) -> None:
    async with mute(silence) as server, account(server.url) as opened:
        async with asyncio.timeout(FAR_TOO_LONG_S):
            with pytest.raises(TransientError):
                await request_(opened, f"{server.url}/1/upload-7")
            await server.was_let_go()


@pytest.mark.parametrize("silence", SILENCES.values(), ids=SILENCES)
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
async def test_a_boss_that_falls_silent_is_let_go(
    question: Callable[[BossClient], Awaitable[object]], silence: bytes
) -> None:
    async with mute(silence) as server, a_boss(server.url) as boss:
        async with asyncio.timeout(FAR_TOO_LONG_S):
            with pytest.raises(GaveUpError):
                await question(boss)
            await server.was_let_go()


async def test_answers_that_come_byte_by_byte_for_ever_are_bounded_as_a_whole() -> None:
    """No wait for the next byte is long; only all of them together are."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    async with mute(head, drip=b" ") as server, AsyncExitStack() as stack:
        opened, boss = await _both(stack, server.url)
        async with asyncio.timeout(FAR_TOO_LONG_S):
            for request in REQUESTS.values():
                with pytest.raises(TransientError):
                    await request(opened, f"{server.url}/1/upload-7")
            with pytest.raises(GaveUpError):
                await boss.status(7)


async def test_a_host_that_takes_no_connection_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_CONNECT_LIMIT_S", LIMIT_S)
    with full_house() as url:
        async with AsyncExitStack() as stack:
            opened, boss = await _both(stack, url)
            async with asyncio.timeout(FAR_TOO_LONG_S):
                for request in REQUESTS.values():
                    with pytest.raises(TransientError):
                        await request(opened, f"{url}/1/upload-7")
                with pytest.raises(GaveUpError):
                    await boss.status(7)


async def test_names_that_are_never_resolved_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread of the loop hangs in it for as long as the system's resolver does; we do not."""
    answered = threading.Event()

    def resolve(*_: object, **__: object) -> list[object]:
        answered.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    url = "http://localhost:9"
    try:
        async with AsyncExitStack() as stack:
            opened, boss = await _both(stack, url)
            async with asyncio.timeout(FAR_TOO_LONG_S):
                for request in (_lease, _put):
                    with pytest.raises(TransientError):
                        await request(opened, f"{url}/1/upload-7")
                with pytest.raises(GaveUpError):
                    await boss.status(7)
    finally:
        answered.set()


class Mute:
    """Where a server is, and what became of the connections to it."""

    def __init__(self) -> None:
        self.url = ""
        self._gone = asyncio.Event()
        self._gone.set()

    def taken(self) -> None:
        self._gone.clear()

    def lost(self) -> None:
        self._gone.set()

    async def was_let_go(self) -> None:
        await self._gone.wait()


@asynccontextmanager
async def mute(said: bytes, *, drip: bytes = b"") -> AsyncIterator[Mute]:
    """A server that hears a request out, says so much, and then nothing, or `drip` again and again."""
    server = Mute()
    serving: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(ConnectionError):
                await reader.read(1)
                writer.write(said)
                while drip:
                    writer.write(drip)
                    await writer.drain()
                    await asyncio.sleep(0.02)
                while await reader.read(1 << 16):
                    pass
            server.lost()
        finally:
            writer.close()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.taken()
        serving.add(asyncio.create_task(talk(reader, writer)))

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()[:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        listening.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)  # what was closed is let go in the loop's next turn


class full_house:  # noqa: N801 - reads as a place
    """A port whose queue of connections is full, so that the system answers no more of them."""

    def __enter__(self) -> str:
        self._sockets = [socket.socket()]
        self._sockets[0].bind(("127.0.0.1", 0))
        self._sockets[0].listen(0)
        address = self._sockets[0].getsockname()
        for _ in range(4):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(address)
            self._sockets.append(waiting)
        return f"http://127.0.0.1:{address[1]}"

    def __exit__(self, *_: object) -> None:
        for each in self._sockets:
            each.close()


def account(url: str) -> Account:
    async def issue() -> Keys:
        return Keys("AKID", SecretStr("secret"), None)

    return Account(issue, queue_url=f"{url}/1/upload-7", concurrency=4, env={})


def a_boss(url: str) -> BossClient:
    return BossClient(url, SecretStr("t0ken"), timeout_s=LIMIT_S, give_up_s=0.0)


async def _both(stack: AsyncExitStack, url: str) -> tuple[Account, BossClient]:
    return await stack.enter_async_context(account(url)), await stack.enter_async_context(a_boss(url))
