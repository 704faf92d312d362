"""A Boss that is away while a job is worked on: waited for, told of, and given up with what to do."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from boss_ingest.boss.answers import BossRefusedError
from boss_ingest.boss.client import BossClient
from boss_ingest.engine import events
from boss_ingest.engine.patience import patient
from boss_ingest.errors import ExitCode, GaveUpError, NotAllowedError, StopRequestedError
from tests.doubles.impatient_stop import ImpatientStop
from tests.scripted_boss import BROKEN, HANGS, Reply, ScriptedBoss, refusal
from tests.unit.engine.boss_answers import SYSTEM, status

GATEWAY = Reply(502, body=b"<html>Bad Gateway</html>")
PAGES = [
    Reply(404, body=b"<html>not here</html>"),
    Reply(403, body=b"<html>blocked</html>"),
    Reply(400, body=b"<html>Bad Request</html>"),
    Reply(302, headers={"Location": "https://maintenance.example.org/"}),
    Reply(418, ["JSON", "of", "somebody", "else"]),
]


@pytest.fixture
def seen() -> list[events.Event]:
    return []


@pytest.fixture
def long(boss: BossClient, seen: list[events.Event]) -> BossClient:
    return patient(boss, 7, give_up_s=900.0, observe=seen.append)


@pytest.mark.parametrize("trouble", [GATEWAY, BROKEN, SYSTEM, Reply(200, body=b"<html>"), Reply(503)])
async def test_a_boss_that_restarts_for_minutes_is_waited_for(
    server: ScriptedBoss, boss: BossClient, long: BossClient, trouble: Reply
) -> None:
    server.answers("GET ingest/7/status", *[trouble] * 40, status(1))
    assert (await long.status(7)).total == 320
    server.answers("GET ingest/7/status", *[trouble] * 40, status(1))
    with pytest.raises(GaveUpError):
        await boss.status(7)


async def test_after_its_time_a_silent_boss_is_given_up_with_how_to_go_on(
    server: ScriptedBoss, long: BossClient
) -> None:
    server.answers("GET ingest/7/status", GATEWAY)
    with pytest.raises(GaveUpError, match=r"HTTP 502.*tried \d+ times in 900 s") as caught:
        await long.status(7)
    assert caught.value.exit_code is ExitCode.GAVE_UP
    assert caught.value.hint == "nothing is lost: go on with `boss-ingest join --job-id 7`"


async def test_a_person_is_told_of_a_silence_seldom_and_of_a_stumble_never(
    server: ScriptedBoss, long: BossClient, seen: list[events.Event]
) -> None:
    server.answers("GET ingest/7/status", *[GATEWAY] * 3, status(1))
    await long.status(7)
    assert seen == []
    for _ in range(2):
        server.answers("GET ingest/7/status", *[GATEWAY] * 20, status(1))
        await long.status(7)
    told = [event for event in seen if isinstance(event, events.BossSilent)]
    assert 2 <= len(told) <= 2 * 9, "once for each silence, then twice a minute"
    assert told[0].give_up_s == 900.0
    assert "HTTP 502" in told[0].error.what


async def test_what_the_boss_asks_for_with_retry_after_is_kept_to(
    server: ScriptedBoss, long: BossClient, seen: list[events.Event]
) -> None:
    server.answers("GET ingest/7/status", Reply(503, headers={"Retry-After": "400"}), GATEWAY, status(1))
    assert (await long.status(7)).total == 320
    server.answers("GET ingest/7/status", Reply(503, headers={"Retry-After": "2000"}))
    with pytest.raises(GaveUpError) as caught:
        await long.status(7)
    assert "asks to wait 2000 s" in caught.value.hint


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_of_something_in_between_passes_once_the_boss_is_known_as_one(
    server: ScriptedBoss, boss: BossClient, long: BossClient, page: Reply
) -> None:
    server.answers("GET ingest/7/status", page, page, status(1))
    assert (await long.status(7)).total == 320
    server.answers("GET ingest/7/status", page, page, status(1))
    with pytest.raises(BossRefusedError):
        await boss.status(7)


@pytest.mark.parametrize("reply", [Reply(401, {"detail": "Invalid token."}), refusal(403, 3003), Reply(401)])
async def test_a_token_that_is_revoked_is_no_silence(
    server: ScriptedBoss, long: BossClient, reply: Reply
) -> None:
    server.answers("GET ingest/7/status", reply)
    with pytest.raises(NotAllowedError):
        await long.status(7)
    assert len(server.asked) == 1


async def test_a_job_is_never_created_twice_however_much_patience_there_is(
    server: ScriptedBoss, long: BossClient
) -> None:
    server.answers("POST ingest/", GATEWAY)
    with pytest.raises(GaveUpError, match="502"):
        await long.create({})
    assert len(server.asked) == 1


@pytest.mark.parametrize("trouble", [GATEWAY, HANGS, Reply(503, headers={"Retry-After": "500"})])
async def test_a_stop_ends_the_patience_at_once(
    server: ScriptedBoss, stop: ImpatientStop, trouble: Reply
) -> None:
    server.answers("POST ingest/7/complete", trouble)
    async with BossClient(server.url, SecretStr("t0ken"), dice=lambda: 1.0) as impatient:
        boss = patient(impatient, 7, give_up_s=900.0, observe=lambda _: None)
        waiting = asyncio.create_task(stop.unless(boss.complete(7)))
        await server.heard.wait()
        stop.request()
        async with asyncio.timeout(25):
            with pytest.raises(StopRequestedError):
                await waiting
