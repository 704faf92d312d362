"""What the reader does when the source's Boss says no, says nothing, or says what it must not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import blosc
import pytest
from aiohttp import web
from pydantic import SecretStr

from boss_ingest.errors import SourceError
from boss_ingest.plugins import intern_requests
from boss_ingest.plugins.intern_account import Account
from boss_ingest.plugins.intern_channel import Address, SourceChannel, open_channel
from boss_ingest.plugins.reader import Box

SECRET = "s3cr3t0123456789"
BOX = Box((0, 0, 0), (2, 3, 4))
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intern_requests, "FIRST_PAUSE_S", 0.001)


class Boss:
    """Knows one channel; cutouts are answered by `answers` in turn, the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def cutout(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        assert request.headers["Authorization"] == f"Token {SECRET}"
        assert request.headers["Accept"] == "application/blosc"
        return await (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)

    async def resource(self, request: web.Request) -> web.Response:
        frame = {f"{axis}_{end}": value for axis in "xyz" for end, value in (("start", 0), ("stop", 64))}
        return web.json_response(
            {"datatype": "uint8", "coord_frame": "f", "num_hierarchy_levels": 3, **frame}
        )

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[SourceChannel]:
        app = web.Application()
        app.router.add_get("/v1/cutout/{rest:.*}", self.cutout)
        app.router.add_get("/v1/{rest:.*}", self.resource)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        account = Account(f"{host}:{port}", "http", SecretStr(SECRET), "the test")
        try:
            channel = await open_channel(account, Address("c", "e", "ch"))
            yield channel
            await channel.close()
        finally:
            await runner.cleanup()


async def right(_: web.Request) -> web.Response:
    return web.Response(body=blosc.compress(bytes(range(24)), typesize=1))


def says(status: int, body: object = None, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return answer


async def breaks_off(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


SYSTEM = {"status": 400, "code": 9001, "message": "throttled"}


@pytest.mark.parametrize(
    "moment",
    [says(503), says(500), says(429), says(400, SYSTEM), breaks_off],
    ids=["503", "500", "429", "9001", "reset"],
)
async def test_a_bad_moment_passes(moment: Answer) -> None:
    boss = Boss(moment, moment, right)
    async with boss.serve() as channel:
        assert (await channel.read(BOX)).tobytes() == bytes(range(24))


async def test_one_that_does_not_pass_is_the_end_of_this_task() -> None:
    boss = Boss(says(503))
    async with boss.serve() as channel:
        with pytest.raises(SourceError, match=r"z 0:2, y 0:3, x 0:4.*HTTP 503 \(5 tries\)"):
            await channel.read(BOX)
    assert boss.asked == 5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
async def test_a_refusal_is_not_asked_for_again(status: int) -> None:
    boss = Boss(says(status, {"code": 1001, "message": f"No. Token {SECRET}\nsaid so"}))
    async with boss.serve() as channel:
        with pytest.raises(SourceError, match=rf"HTTP {status}: No. Token \[token\] said so") as caught:
            await channel.read(BOX)
    assert boss.asked == 1
    assert SECRET not in f"{caught.value}{caught.value.__cause__!r}"


async def test_a_redirect_is_not_followed_and_carries_no_token() -> None:
    boss = Boss(says(302, {}, Location="http://127.0.0.1:1/elsewhere"))
    async with boss.serve() as channel:
        with pytest.raises(SourceError, match="HTTP 302") as caught:
            await channel.read(BOX)
    assert "not carried elsewhere" in caught.value.hint
    assert boss.asked == 1


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (blosc.compress(bytes(25), typesize=1), "25 bytes of voxels instead of 24"),
        (blosc.compress(bytes(range(24)), typesize=1)[:-1], "do not unpack"),
        (b"", "0 bytes"),
        (b"<html>" * 10, "bytes of voxels instead"),
        (bytes(1 << 17), "more than"),
    ],
)
async def test_voxels_that_are_not_those_asked_for_are_an_error(body: bytes, why: str) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body)

    async with Boss(answer).serve() as channel:
        with pytest.raises(SourceError, match=why):
            await channel.read(BOX)


async def test_a_host_that_is_not_up_is_named_without_the_token() -> None:
    account = Account("127.0.0.1:1", "http", SecretStr(SECRET), "the test")
    with pytest.raises(
        SourceError, match=r"http://127.0.0.1:1/c/e/ch/0: the Boss cannot be reached"
    ) as caught:
        await open_channel(account, Address("c", "e", "ch"))
    assert SECRET not in f"{caught.value}{caught.value.__cause__!r}"


async def test_what_is_no_boss_is_told() -> None:
    class Other(Boss):
        async def resource(self, request: web.Request) -> web.Response:
            return web.Response(text="<html>welcome</html>")

    with pytest.raises(SourceError, match="does not answer as a Boss does"):
        async with Other(right).serve():
            pass
