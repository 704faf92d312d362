"""The completion loop: every answer of the Boss, and every way verification can end."""

from __future__ import annotations

import asyncio

import pytest

from boss_ingest.boss.client import BossClient
from boss_ingest.engine import events
from boss_ingest.engine.finish import finish
from boss_ingest.errors import ExitCode, GaveUpError, IngestError, JobGoneError, StopRequestedError
from tests.doubles.impatient_stop import ImpatientStop
from tests.scripted_boss import BROKEN, HANGS, Reply, ScriptedBoss, refusal
from tests.unit.engine.boss_answers import CANCELLED, NOT_EMPTY, SYSTEM, status

DONE = Reply(204)
VERIFYING = Reply(202, {"job_status": 5})
QUIET_BEGINS = Reply(202, {"job_status": 6, "wait_secs": 180})
QUIET = Reply(400, {"job_status": 6, "wait_secs": 123.4})
BUSY = Reply(400, {"wait_secs": 180, "info": "Internal queues not empty yet"})
VERIFICATION_BEGINS = Reply(202, {"job_status": 5, "wait_secs": 0})


class Finishing:
    def __init__(self, server: ScriptedBoss, boss: BossClient, stop: ImpatientStop) -> None:
        self.server, self.boss, self.stop = server, boss, stop
        self.events: list[events.Event] = []

    async def __call__(self, *, verify_timeout_s: float = 60.0) -> bool:
        async with asyncio.timeout(60):
            return await finish(
                self.boss, 7, stop=self.stop, observe=self.events.append, verify_timeout_s=verify_timeout_s
            )

    def completing(self, *replies: Reply) -> None:
        self.server.answers("POST ingest/7/complete", *replies)

    def status(self, *replies: Reply) -> None:
        self.server.answers("GET ingest/7/status", *replies)

    @property
    def kinds(self) -> list[type]:
        return [type(event) for event in self.events]


@pytest.fixture
def finishing(server: ScriptedBoss, boss: BossClient, stop: ImpatientStop) -> Finishing:
    return Finishing(server, boss, stop)


async def test_a_whole_completion_as_a_real_boss_goes_through_it(finishing: Finishing) -> None:
    finishing.completing(QUIET_BEGINS, QUIET, VERIFICATION_BEGINS)
    finishing.status(status(5), status(5), status(2))
    assert await finishing()
    assert finishing.stop.slept_s == [180, 123.4]
    assert finishing.kinds == [events.Waiting, events.Waiting, events.Verifying]
    assert finishing.server.lines.count("GET ingest/7/status") == 3


async def test_a_job_that_is_complete_already_is_complete(finishing: Finishing) -> None:
    """The original took 204 for "keep uploading" and died on a queue that was gone."""
    finishing.completing(DONE)
    assert await finishing()
    assert finishing.server.lines == ["POST ingest/7/complete"]


async def test_a_wait_of_nothing_is_still_a_wait(finishing: Finishing) -> None:
    """On a second pass the Boss says 0 although 180 s must go by: asking at once would hammer it."""
    finishing.completing(Reply(202, {"job_status": 6, "wait_secs": 0}), DONE)
    assert await finishing()
    assert finishing.stop.slept_s == [1.0]


async def test_internal_queues_that_are_busy_are_waited_for(finishing: Finishing) -> None:
    finishing.completing(BUSY, BUSY, DONE)
    assert await finishing()
    assert [event.why for event in finishing.events] == ["Internal queues not empty yet"] * 2  # type: ignore[union-attr]


async def test_an_upload_queue_that_is_not_empty_sends_us_back(finishing: Finishing) -> None:
    finishing.completing(QUIET_BEGINS, NOT_EMPTY)
    assert not await finishing()
    assert finishing.kinds[-1] is events.BackToUploading


async def test_a_verification_that_others_started_is_waited_for(finishing: Finishing) -> None:
    finishing.completing(VERIFYING)
    finishing.status(status(5), status(2))
    assert await finishing()


async def test_missing_tiles_send_us_back_to_uploading(finishing: Finishing) -> None:
    finishing.completing(VERIFICATION_BEGINS)
    finishing.status(status(5), status(1, visible=3))
    assert not await finishing()
    assert finishing.kinds[-1] is events.BackToUploading


async def test_a_verification_that_finds_chunks_to_ingest_again_is_completed_once_more(
    finishing: Finishing,
) -> None:
    finishing.completing(VERIFICATION_BEGINS, QUIET, VERIFICATION_BEGINS)
    finishing.status(status(6), status(2))
    assert await finishing()
    assert finishing.server.lines.count("POST ingest/7/complete") == 3


@pytest.mark.parametrize("state", [3, 4])
@pytest.mark.parametrize("said", ["Ingest job has already been cancelled.", "Ingest job has failed during"])
async def test_a_job_that_ended_badly_is_gone(finishing: Finishing, state: int, said: str) -> None:
    finishing.completing(refusal(400, 1006, said))
    finishing.status(status(state))
    with pytest.raises(JobGoneError) as caught:
        await finishing()
    assert caught.value.exit_code is ExitCode.JOB_GONE


@pytest.mark.parametrize("reply", [CANCELLED, status(3), status(4)])
async def test_a_job_cancelled_during_verification_is_gone(finishing: Finishing, reply: Reply) -> None:
    finishing.completing(VERIFYING)
    finishing.status(status(5), reply)
    with pytest.raises(JobGoneError):
        await finishing()


async def test_a_job_that_is_still_preparing_cannot_be_completed(finishing: Finishing) -> None:
    finishing.completing(refusal(400, 1006, "You cannot complete a job that is still preparing."))
    finishing.status(status(0))
    with pytest.raises(IngestError, match="still PREPARING") as caught:
        await finishing()
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("trouble", [SYSTEM, Reply(500), Reply(502, body=b"<html>"), BROKEN])
async def test_a_bad_moment_is_tried_again(finishing: Finishing, trouble: Reply) -> None:
    finishing.completing(trouble, QUIET_BEGINS, trouble, trouble, VERIFYING)
    finishing.status(trouble, status(5), trouble, status(2))
    assert await finishing()


async def test_a_boss_that_only_fails_is_given_up(finishing: Finishing) -> None:
    finishing.completing(SYSTEM)
    finishing.status(status(1))
    with pytest.raises(GaveUpError) as caught:
        await finishing()
    assert caught.value.exit_code is ExitCode.GAVE_UP


async def test_a_verification_that_never_ends_is_given_up_with_advice(finishing: Finishing) -> None:
    finishing.completing(VERIFYING)
    finishing.status(status(5))
    with pytest.raises(GaveUpError, match="has been completing it") as caught:
        await finishing(verify_timeout_s=0.2)
    assert "everything was uploaded" in caught.value.hint


@pytest.mark.parametrize("waits_for", ["the quiet period", "verification", "an answer"])
async def test_a_stop_ends_every_wait(finishing: Finishing, stop: ImpatientStop, waits_for: str) -> None:
    """Quit means quit; the job can be completed later."""
    finishing.completing({"the quiet period": QUIET, "verification": VERIFYING}.get(waits_for, HANGS))
    finishing.status(status(5))
    async with asyncio.timeout(60):
        running = asyncio.create_task(finishing())
        asyncio.get_running_loop().call_later(0.05, stop.request)
        with pytest.raises(StopRequestedError):
            await running
