"""The fault proxy: each fault as a real client sees it, before a server that remembers what reached it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web

from tests.fault.proxy import (
    Answer,
    Bandwidth,
    Cut,
    Exchange,
    FaultProxy,
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

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PUT = "/tiles/a%26b"


class Server:
    """Keeps what is put, and gives it back; SQS and the Boss get an empty object."""

    def __init__(self) -> None:
        self.url = ""
        self.objects: dict[str, bytes] = {}
        self.began: Counter[str] = Counter()
        self.waiting = asyncio.Event()
        self.forsaken = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        self.began[request.method] += 1
        if request.method == "PUT":
            self.objects[request.path] = await request.read()
            return web.Response(headers={"ETag": '"e"'})
        if request.method == "POST" or request.path.startswith("/v1/"):
            return web.json_response({})
        if request.method == "HEAD":
            await self._wait_for_ever()
        return web.Response(body=self.objects[request.path])

    async def _wait_for_ever(self) -> None:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.forsaken.set()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", served.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


@pytest.fixture
async def proxy(server: Server) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(server.url, seed=7) as opened:
        yield opened


@asynccontextmanager
async def client(proxy: FaultProxy) -> AsyncIterator[aiohttp.ClientSession]:
    async def once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        try:
            return await send(request)
        except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
            raise BrokenError from error  # which aiohttp would repeat by itself

    timeout = aiohttp.ClientTimeout(60)
    async with aiohttp.ClientSession(proxy.url, timeout=timeout, middlewares=(once,)) as session:
        yield session


class BrokenError(Exception):
    pass


async def ask(
    proxy: FaultProxy, method: str = "PUT", path: str = PUT, body: bytes | None = b"body", **headers: str
) -> tuple[int, bytes, Any]:
    async with (
        client(proxy) as session,
        session.request(method, path, data=body, headers=headers) as response,
    ):
        return response.status, await response.read(), response.headers


async def test_without_a_fault_bytes_go_through_unchanged(proxy: FaultProxy, server: Server) -> None:
    body = bytes(range(256)) * 3000
    async with client(proxy) as session:
        for _ in range(3):
            async with session.put(PUT, data=body, expect100=True) as response:
                assert response.status == 200
                assert response.headers["ETag"] == '"e"'
            async with session.get(PUT) as response:
                assert await response.read() == body
    assert proxy.calls == {"s3.PutObject": 3, "s3.GetObject": 3}
    assert {(seen.key, seen.status, seen.answered) for seen in proxy.log} == {("a&b", 200, 200)}
    assert [seen.n for seen in proxy.log] == [1, 2, 3, 4, 5, 6]


async def test_a_chunked_body_goes_through(proxy: FaultProxy, server: Server) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async with client(proxy) as session, session.put(PUT, data=pieces()) as response:
        assert response.status == 200
    assert list(server.objects.values()) == [b"one two"]


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "operation", "key"),
    [
        ("GET", "/v1/ingest/7", {}, None, "rest.join", "7"),
        ("GET", "/v1/ingest/7/status", {}, None, "rest.status", "7"),
        ("POST", "/v1/ingest/7/complete", {}, None, "rest.complete", "7"),
        ("POST", "/v1/ingest/", {}, b"{}", "rest.create", ""),
        ("GET", "/v1/cutout/c/e/ch/0/0:5/0:5/0:5/", {}, None, "rest.cutout", ""),
        (
            "POST",
            "/",
            {"X-Amz-Target": "AmazonSQS.ReceiveMessage"},
            b'{"QueueUrl": "http://h/000000000000/up"}',
            "sqs.ReceiveMessage",
            "up",
        ),
        ("PUT", "/tiles/a%26b?x-id=PutObject", {}, b"1", "s3.PutObject", "a&b"),
    ],
)
async def test_operations_have_the_names_of_the_local_boss(
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes | None,
    operation: str,
    key: str,
    proxy: FaultProxy,
    server: Server,
) -> None:
    await ask(proxy, method, path, body, **headers)
    (seen,) = proxy.log
    assert (seen.operation, seen.key, seen.method) == (operation, key, method)


@pytest.mark.parametrize(
    ("fault", "took_effect"),
    [
        (Reset("before"), False),
        (Reset("during"), False),
        (Reset("after"), True),
        (Noise(), False),
        (Cut(0), True),
        (Cut(20), True),
    ],
)
async def test_a_connection_breaks(fault: Any, took_effect: bool, proxy: FaultProxy, server: Server) -> None:
    proxy.add("s3.PutObject", fault)
    with pytest.raises((aiohttp.ClientError, BrokenError)):
        await ask(proxy, body=b"b" * 900_000)
    assert (PUT in [path.replace("&", "%26") for path in server.objects]) == took_effect
    assert proxy.log[0].status is None
    assert proxy.log[0].answered == (200 if took_effect else None)
    assert (await ask(proxy))[0] == 200


async def test_a_reset_during_the_body_lets_the_server_see_a_part_of_it(
    proxy: FaultProxy, server: Server
) -> None:
    proxy.add("s3.PutObject", Reset("during"))
    with pytest.raises(BrokenError):
        await ask(proxy, body=b"b" * 100_000)
    await ask(proxy)
    assert server.began["PUT"] == 2
    assert list(server.objects.values()) == [b"body"]


async def test_a_cut_answer_is_missing_its_end(proxy: FaultProxy, server: Server) -> None:
    await ask(proxy, body=b"0123456789")
    proxy.add("s3.GetObject", Cut(-4))
    with pytest.raises(aiohttp.ClientPayloadError):
        await ask(proxy, "GET", body=None)


@pytest.mark.parametrize(("when", "took_effect"), [("before", False), ("after", True)])
async def test_a_half_open_connection_neither_answers_nor_ends(
    when: Any, took_effect: bool, proxy: FaultProxy, server: Server
) -> None:
    hangs = asyncio.Event()
    proxy.add("s3.PutObject", Tell(when, lambda _: hangs.set()))
    proxy.add("s3.PutObject", Hang(when))
    asking = asyncio.create_task(ask(proxy))
    await hangs.wait()
    ended, _ = await asyncio.wait([asking], timeout=0.3)
    assert not ended
    assert bool(server.objects) == took_effect
    asking.cancel()
    assert (await ask(proxy))[0] == 200


async def test_latency_and_bandwidth_take_their_time_together_with_another_fault(
    proxy: FaultProxy, server: Server
) -> None:
    proxy.add("", Latency(0.1, jitter_s=0.05), times=None)
    proxy.add("s3.", Bandwidth(1_000_000), times=None)
    proxy.add("s3.PutObject", Answer(503, "SlowDown"))
    began = time.monotonic()
    assert (await ask(proxy, body=b"b" * 200_000))[0] == 503
    assert time.monotonic() - began >= 0.3
    assert (await ask(proxy, body=b"b" * 200_000))[0] == 200
    assert time.monotonic() - began >= 0.6


@pytest.mark.parametrize(
    ("method", "path", "headers", "answer", "said"),
    [
        ("PUT", PUT, {}, Answer(503, "SlowDown", retry_after_s=2), b"<Code>SlowDown</Code>"),
        ("PUT", PUT, {}, Answer(500, body=b"plain", content_type="text/plain"), b"plain"),
        ("GET", "/v1/ingest/7", {}, Answer(400, 9001), b'"code": 9001'),
        ("GET", "/v1/ingest/7", {}, Answer(502, "Bad gateway"), b'"detail": "Bad gateway"'),
        (
            "POST",
            "/",
            {"X-Amz-Target": "AmazonSQS.SendMessageBatch"},
            Answer(400, "ThrottlingException"),
            b'"com.amazonaws.sqs#ThrottlingException"',
        ),
    ],
)
async def test_an_error_has_the_form_of_its_service_and_the_request_goes_nowhere(
    method: str,
    path: str,
    headers: dict[str, str],
    answer: Answer,
    said: bytes,
    proxy: FaultProxy,
    server: Server,
) -> None:
    proxy.add("", answer)
    status, body, got = await ask(proxy, method, path, b"{}" if method != "GET" else None, **headers)
    assert status == answer.status
    assert said in body
    assert got.get("Retry-After") == ("2" if answer.retry_after_s else None)
    assert not server.began


@pytest.mark.parametrize(("when", "took_effect"), [("before", False), ("after", True)])
async def test_garbage_comes_in_place_of_the_answer(
    when: Any, took_effect: bool, proxy: FaultProxy, server: Server
) -> None:
    proxy.add("s3.PutObject", Garbage(when=when))
    status, body, headers = await ask(proxy)
    assert (status, headers["Content-Type"]) == (200, "text/html")
    assert b"Gateway" in body
    assert bool(server.objects) == took_effect


async def test_a_bit_flips_on_the_way(proxy: FaultProxy, server: Server) -> None:
    proxy.add("s3.PutObject", Flip())
    await ask(proxy, body=b"aaaa")
    assert list(server.objects.values()) == [b"aa`a"]


async def test_an_answer_is_rewritten(proxy: FaultProxy, server: Server) -> None:
    def spoil(exchange: Exchange) -> None:
        assert exchange.request.body == b"body"
        exchange.answer.replace(status=201, body=b"more", ETag='"wrong"')

    proxy.add("s3.PutObject", Rewrite(spoil))
    status, body, headers = await ask(proxy)
    assert (status, body, headers["ETag"]) == (201, b"more", '"wrong"')


async def test_somebody_is_told_before_and_after(proxy: FaultProxy, server: Server) -> None:
    told: list[tuple[str, int, int | None]] = []

    async def slowly(seen: Seen) -> None:
        await asyncio.sleep(0)
        told.append(("before", len(server.objects), seen.answered))

    proxy.add("s3.PutObject", Tell("before", slowly))
    proxy.add(
        "s3.PutObject", Tell("after", lambda seen: told.append(("after", len(server.objects), seen.answered)))
    )
    proxy.add("s3.PutObject", Reset("after"))
    with pytest.raises(BrokenError):
        await ask(proxy)
    assert told == [("before", 0, None), ("after", 1, 200)]


async def statuses(proxy: FaultProxy, count: int) -> list[int]:
    return [(await ask(proxy))[0] for _ in range(count)]


async def test_a_fault_leaves_the_first_alone_and_happens_so_often(proxy: FaultProxy, server: Server) -> None:
    proxy.add("s3.PutObject", Answer(500), times=2, after=1)
    assert await statuses(proxy, 5) == [200, 500, 500, 200, 200]


async def test_a_predicate_says_which_requests(proxy: FaultProxy, server: Server) -> None:
    proxy.add(lambda seen: seen.n % 2 == 0, Answer(500), times=None)
    assert await statuses(proxy, 4) == [200, 500, 200, 500]


async def test_the_dice_are_the_same_for_the_same_seed(server: Server) -> None:
    async def cast(seed: int) -> list[int]:
        async with FaultProxy(server.url, seed=seed) as proxy:
            proxy.add("", Answer(500), times=None, chance=0.5)
            return await statuses(proxy, 12)

    assert await cast(1) == await cast(1) != await cast(2)


async def test_a_cleared_script_lets_everything_through(proxy: FaultProxy, server: Server) -> None:
    proxy.add("", Answer(500), times=None)
    assert await statuses(proxy, 1) == [500]
    proxy.clear()
    assert await statuses(proxy, 1) == [200]


async def test_a_server_that_is_gone_resets_and_is_found_again_elsewhere(
    proxy: FaultProxy, server: Server
) -> None:
    home, proxy.upstream = proxy.upstream, "http://127.0.0.1:1"
    with pytest.raises(BrokenError):
        await ask(proxy)
    proxy.upstream = home
    assert await statuses(proxy, 1) == [200]


async def test_a_predicate_that_fails_is_told_at_the_end(server: Server) -> None:
    proxy = await FaultProxy(server.url).__aenter__()
    proxy.add(lambda seen: {}[seen.n], Answer(500))
    with pytest.raises(BrokenError):
        await ask(proxy)
    with pytest.raises(KeyError):
        await proxy.__aexit__()


async def test_a_client_that_goes_takes_its_request_with_it(proxy: FaultProxy, server: Server) -> None:
    """A long poll of a killed client must not take messages from those who live."""
    asking = asyncio.create_task(ask(proxy, "HEAD", body=None))
    await server.waiting.wait()
    asking.cancel()
    async with asyncio.timeout(60):
        await server.forsaken.wait()
