"""The client is patient where that is safe, bounded everywhere, and keeps the token to itself."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from email.utils import formatdate
from pathlib import Path
from time import time

import pytest
from pydantic import SecretStr

from boss_ingest.boss.answers import BossRefusedError
from boss_ingest.boss.client import BossClient
from boss_ingest.boss.retries import Patience
from boss_ingest.errors import (
    ConfigError,
    GaveUpError,
    IngestError,
    NotAllowedError,
    TransientError,
    UsageError,
)
from tests.scripted_boss import BROKEN, HANGS, Reply, ScriptedBoss, refusal
from tests.unit.boss.conftest import TOKEN

JOBS = Reply(200, {"ingest_jobs": []})


async def test_every_request_carries_the_token_and_names_the_version(
    server: ScriptedBoss, boss: BossClient
) -> None:
    server.answers("GET ingest/", JOBS)
    assert await boss.jobs() == []
    (asked,) = server.asked
    assert asked.path == "/v1/ingest/"
    assert asked.headers["Authorization"] == f"Token {TOKEN}"
    assert asked.headers["Accept"] == "application/json"
    assert asked.headers["User-Agent"].startswith("boss-ingest/")


@pytest.mark.parametrize(
    "stumble",
    [
        BROKEN,
        Reply(500),
        Reply(502, body=b"<html>Bad Gateway</html>"),
        Reply(503),
        Reply(504),
        Reply(408),
        Reply(429),
        refusal(400, 9001),
        Reply(200, body=b"\x00garbage"),
        Reply(200, ["not", "an", "object"]),
        Reply(204),
    ],
)
async def test_what_may_pass_is_tried_again(server: ScriptedBoss, boss: BossClient, stumble: Reply) -> None:
    server.answers("GET ingest/", stumble, stumble, JOBS)
    assert await boss.jobs() == []
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "reply", [refusal(400, 1006), Reply(404, body=b"<html>"), refusal(409, 2006), Reply(405)]
)
async def test_what_will_not_pass_is_not_tried_again(
    server: ScriptedBoss, boss: BossClient, reply: Reply
) -> None:
    server.answers("GET ingest/", reply)
    with pytest.raises(BossRefusedError):
        await boss.jobs()
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "reply", [Reply(401, {"detail": "Invalid token."}), Reply(403, {"detail": "no"}), refusal(403, 3001)]
)
async def test_a_wrong_token_or_permission_is_told_with_a_way_out(
    server: ScriptedBoss, boss: BossClient, reply: Reply
) -> None:
    server.answers("GET ingest/", reply)
    with pytest.raises(NotAllowedError) as caught:
        await boss.jobs()
    assert "token" in caught.value.hint
    assert len(server.asked) == 1


async def test_a_broken_request_is_not_repeated_behind_our_back(
    server: ScriptedBoss, boss: BossClient
) -> None:
    server.answers("GET ingest/", BROKEN)
    with pytest.raises(GaveUpError):
        await boss.jobs()
    assert len(server.asked) == 4


async def test_patience_ends_and_tells_how_often_it_tried(
    server: ScriptedBoss, boss: BossClient, pauses: list[float]
) -> None:
    server.answers("GET ingest/", Reply(502, body=b"<html>Bad Gateway</html>"))
    with pytest.raises(GaveUpError, match=r"listing the ingest jobs.*HTTP 502.*tried 4 times"):
        await boss.jobs()
    assert pauses == pytest.approx([0.2, 0.4, 0.8])


async def test_the_last_pause_is_cut_short_so_that_all_of_the_time_promised_is_used(
    server: ScriptedBoss, boss: BossClient, pauses: list[float]
) -> None:
    server.answers("GET ingest/", *[Reply(502)] * 4, JOBS)
    assert await boss.with_patience(give_up_s=2.0).jobs() == []
    assert pauses == [0.2, 0.4, 0.8, pytest.approx(0.6)]


async def test_what_is_asked_for_with_retry_after_is_not_cut_short(
    server: ScriptedBoss, boss: BossClient, pauses: list[float]
) -> None:
    server.answers("GET ingest/", Reply(503), Reply(503, headers={"Retry-After": "2"}))
    with pytest.raises(GaveUpError, match="tried 2 times"):
        await boss.with_patience(give_up_s=2.0).jobs()
    assert pauses == [0.2]


def test_pauses_grow_to_a_bound_and_are_jittered_in_full() -> None:
    assert [Patience(random=lambda: 1.0).pause_s(n) for n in (1, 2, 8, 500)] == [0.2, 0.4, 20.0, 20.0]
    assert Patience(random=lambda: 0.0).pause_s(8) == 0.0


async def test_retry_after_is_honoured_in_seconds_and_as_a_date(
    server: ScriptedBoss, boss: BossClient, pauses: list[float]
) -> None:
    date = formatdate(time() + 60, usegmt=True)
    server.answers(
        "GET ingest/",
        Reply(429, headers={"Retry-After": "7"}),
        Reply(503, headers={"Retry-After": date}),
        Reply(429, headers={"Retry-After": "whenever"}),
        JOBS,
    )
    await boss.with_patience(give_up_s=100).jobs()
    assert pauses[0] == 7 + 0.2, "the jitter comes on top, or a crowd would come back together"
    assert 50 < pauses[1] <= 60 + 0.4
    assert pauses[2] == 0.8


async def test_a_retry_after_of_hours_is_told_and_not_waited_for(
    server: ScriptedBoss, boss: BossClient, pauses: list[float]
) -> None:
    server.answers("GET ingest/", Reply(429, headers={"Retry-After": "7200"}))
    with pytest.raises(GaveUpError) as caught:
        await boss.jobs()
    assert "7200 s" in caught.value.hint
    assert pauses == []


async def test_a_boss_that_never_answers_is_bounded_by_the_timeout(server: ScriptedBoss) -> None:
    server.answers("GET ingest/", HANGS)
    async with BossClient(server.url, SecretStr(TOKEN), timeout_s=0.05, give_up_s=0) as boss:
        with pytest.raises(GaveUpError, match="did not answer in time"):
            await boss.jobs()


async def test_a_boss_that_is_not_there_is_told_by_its_address() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, never listening
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        async with BossClient(url, SecretStr(TOKEN), give_up_s=0) as boss:
            with pytest.raises(GaveUpError, match=f"no connection to {url}"):
                await boss.jobs()
            with pytest.raises(GaveUpError) as caught:
                await boss.create({})
    assert "nothing was created" in caught.value.hint


async def test_cancelling_a_call_ends_it_at_once(server: ScriptedBoss, boss: BossClient) -> None:
    server.answers("GET ingest/", HANGS)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await boss.jobs()


async def test_a_redirect_is_not_followed_and_names_where_it_leads(
    server: ScriptedBoss, boss: BossClient
) -> None:
    async with ScriptedBoss() as elsewhere:
        server.answers("GET ingest/", Reply(302, headers={"Location": f"{elsewhere.url}/v1/ingest/?next=x"}))
        with pytest.raises(
            BossRefusedError, match=r"sends us on to http://127\.0\.0\.1/v1/ingest/\n"
        ) as caught:
            await boss.jobs()
        assert elsewhere.asked == []
    assert "client.backend.host" in caught.value.hint


async def test_an_endless_answer_is_cut_off(server: ScriptedBoss, boss: BossClient) -> None:
    server.answers("GET ingest/", Reply(200, body=b" " * 2_000_000 + b"{}"))
    with pytest.raises(TransientError, match="longer than 1,000 bytes"):
        await boss._send("listing", "GET", "ingest/", most_bytes=1000)


@pytest.mark.parametrize(
    "url", ["http://boss.example.org", "http://10.0.0.7:8000", "http://localhost.evil.org"]
)
def test_the_token_never_crosses_a_network_in_the_clear(url: str) -> None:
    with pytest.raises(ConfigError, match="for all to read"):
        BossClient(url, SecretStr(TOKEN))
    BossClient(url, SecretStr(TOKEN), allow_http=True)


@pytest.mark.parametrize(
    "url", ["boss.example.org", "ftp://boss.example.org", "https://", "https://u:pw@boss.org"]
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        BossClient(url, SecretStr(TOKEN))
    assert "pw" not in str(caught.value)


async def test_a_ca_bundle_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    client = BossClient("https://boss.example.org", SecretStr(TOKEN), ca_bundle=missing)
    with pytest.raises(UsageError, match=r"ca\.pem"):
        await client.__aenter__()


@pytest.mark.parametrize(
    "reply",
    [
        BROKEN,
        Reply(500, body=f"debug page: Authorization: Token {TOKEN}".encode()),
        Reply(400, {"detail": f"no such token {TOKEN}"}),
        Reply(401, {"detail": f"bad {TOKEN}"}),
        Reply(200, body=b"x"),
    ],
)
async def test_the_token_shows_in_no_error_log_or_repr(
    server: ScriptedBoss, boss: BossClient, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers("GET ingest/", reply)
    with pytest.raises(IngestError) as caught:
        await boss.jobs()
    assert TOKEN not in "".join(traceback.format_exception(caught.value))
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(boss)
    assert TOKEN not in repr(vars(boss))
