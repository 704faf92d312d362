"""How a job ends when others have a hand in it: cancelled, completed, sent back, or its token revoked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from boss_ingest.aws import keys
from boss_ingest.boss.jobs import JobState
from boss_ingest.engine import events
from boss_ingest.errors import GaveUpError, JobGoneError, NotAllowedError
from boss_ingest.local.faults import Call, Garbage, Hold, Http, Lose
from boss_ingest.local.job_store import State

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fault.ground import Ground
    from tests.volumes import Source

STAGES = [
    "sqs.ReceiveMessage",
    "s3.PutObject",
    "sqs.SendMessageBatch",
    "sqs.DeleteMessageBatch",
    "rest.complete",
]
PAGE = Garbage(b"<html>maintenance</html>", 404)
NO_TOKEN = Http(401, "detail", "Invalid token.")


@pytest.mark.parametrize("stage", [*STAGES, "verification"])
async def test_a_job_cancelled_by_somebody_else_is_gone_at_whatever_stage(
    stage: str, ground: Ground, tile_job: Path
) -> None:
    hold = Hold()
    job_id = await ground.create(tile_job)
    if stage == "verification":
        assert (await ground.ingest(tile_job, job_id, manual_complete=True)).exit_code == 0
        jobs = ground.boss._state.jobs
        jobs.set_state(jobs[job_id], State.COMPLETING)
    ground.faults.add("rest.status" if stage == "verification" else stage, hold)

    async def cancel() -> None:
        await hold.arrived.wait()
        await ground.client.cancel(job_id)
        hold.release()

    async with asyncio.TaskGroup() as group:
        group.create_task(cancel())
        running = group.create_task(ground.ingest(tile_job, job_id))
    assert isinstance(running.result().error, JobGoneError), running.result()
    assert running.result().exit_code == 6
    assert str(job_id) in running.result().error.what


@pytest.mark.parametrize("stage", [*STAGES, "rest.status"])
async def test_a_job_completed_by_somebody_else_is_a_good_end_at_whatever_stage(
    stage: str, ground: Ground, slices: Source, tile_job: Path
) -> None:
    """This client is held up for so long that its leases end and another one does all there is to do."""
    hold = Hold()
    ground.faults.add(stage, hold)
    job_id = await ground.create(tile_job)

    async def leases_end() -> None:
        pause_s = 0.3  # more than deletes wait for company, or none would ever be in time
        while True:
            ground.end_leases(job_id)
            await asyncio.sleep(pause_s)
            pause_s *= 2

    async def other() -> None:
        await hold.arrived.wait()
        ending = asyncio.create_task(leases_end())
        assert (await ground.ingest(tile_job, job_id)).exit_code == 0
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)  # the queue is gone
        hold.release()

    async with asyncio.TaskGroup() as group:
        group.create_task(other())
        running = group.create_task(ground.ingest(tile_job, job_id))
    assert running.result().exit_code == 0, running.result().error
    await slices.assert_stored(ground.boss)


async def test_clients_that_complete_a_job_at_once_all_end_well(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    job_id = (await ground.ingest(tile_job, manual_complete=True)).job_id
    hold = Hold()

    def all_there(_: Call) -> bool:
        if ground.faults.calls["rest.complete"] >= 3:
            hold.release()
        return True

    ground.faults.add("rest.complete", hold, match=all_there, times=3)
    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(ground.ingest(tile_job, job_id)) for _ in range(3)]
    assert [client.result().exit_code for client in clients] == [0, 0, 0]
    await slices.assert_stored(ground.boss)


async def test_a_boss_that_restarts_at_the_end_of_a_run_is_waited_for(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    """For longer than a person would wait for an answer: 2 s here, 15 s in life."""
    ground.faults.add("rest.complete", Garbage(b"<html>502 Bad Gateway</html>", 502), times=300)
    run = await ground.ingest(tile_job)
    assert run.exit_code == 0, run.error
    assert ground.faults.calls["rest.complete"] > 300
    await slices.assert_stored(ground.boss)


@pytest.mark.parametrize("page", [PAGE, Garbage(b"<html>no</html>", 403), Garbage(b"[]", 202), Garbage(b"")])
async def test_pages_of_a_proxy_in_the_middle_of_a_job_pass(
    page: Garbage, ground: Ground, slices: Source, tile_job: Path
) -> None:
    for operation in ("rest.complete", "rest.status"):
        ground.faults.add(operation, page, times=3)
    run = await ground.ingest(tile_job)
    assert run.exit_code == 0, run.error
    await slices.assert_stored(ground.boss)


@pytest.mark.parametrize("body", [b'{"job_status": 2}', b'{"job_status": 0, "id": 1}', b'{"job_status": 77}'])
async def test_states_that_cannot_be_are_settled_by_asking_again(
    body: bytes, ground: Ground, slices: Source, tile_job: Path
) -> None:
    ground.faults.add("rest.complete", Garbage(body, 202, "application/json"), times=2)
    run = await ground.ingest(tile_job)
    assert run.exit_code == 0, run.error
    await slices.assert_stored(ground.boss)


async def test_a_status_about_another_job_is_not_believed(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    other = b'{"id": 99, "status": 2, "total_message_count": 4, "current_message_count": 0}'
    ground.faults.add("rest.status", Garbage(other, 200, "application/json"), times=2)
    run = await ground.ingest(tile_job)
    assert run.exit_code == 0, run.error
    assert (await ground.client.status(run.job_id)).state is JobState.COMPLETE


async def test_a_token_revoked_at_the_end_says_so_and_another_one_goes_on(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    ground.faults.add("rest.complete", NO_TOKEN, times=None)
    run = await ground.ingest(tile_job)
    assert isinstance(run.error, NotAllowedError)
    assert run.exit_code == 5
    assert "copy it anew" in run.error.hint
    assert f"nothing is lost: go on with `boss-ingest join --job-id {run.job_id}`" in run.error.hint
    ground.faults.clear()
    assert (await ground.ingest(tile_job, run.job_id)).exit_code == 0
    await slices.assert_stored(ground.boss)


async def test_a_token_revoked_during_the_upload_shows_when_keys_end_and_loses_nothing(
    ground: Ground, slices: Source, tile_job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PROPAGATION_S", 0.0)
    job_id = await ground.create(tile_job)

    def revoke(_: object) -> bool:
        ground.faults.add("rest.join", NO_TOKEN, times=None)
        return True

    ground.faults.add("s3.PutObject", Http(400, "ExpiredToken"), match=revoke, after=2, times=None)
    run = await ground.ingest(tile_job, job_id)
    assert run.exit_code == 5, run.error
    ground.faults.clear()
    ground.end_leases(job_id)
    assert (await ground.ingest(tile_job, job_id)).exit_code == 0
    await slices.assert_stored(ground.boss)


async def test_keys_that_end_while_the_boss_restarts_are_renewed_when_it_is_back(
    ground: Ground, slices: Source, tile_job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PROPAGATION_S", 0.0)

    def ended(_: object) -> bool:
        return ground.faults.calls["rest.join"] < 302

    def away(_: object) -> bool:
        return ground.faults.calls["s3.PutObject"] > 0

    ground.faults.add("s3.PutObject", Http(400, "ExpiredToken"), match=ended, times=None)
    page = Garbage(b"<html>502 Bad Gateway</html>", 502)
    ground.faults.add("rest.join", page, match=away, times=300)
    run = await ground.ingest(tile_job)
    assert run.exit_code == 0, run.error
    await slices.assert_stored(ground.boss)


async def test_a_boss_that_finds_the_queue_full_for_ever_is_given_up(ground: Ground, tile_job: Path) -> None:
    ground.faults.add("rest.complete", Http(400, 1006, "Upload queue is not empty"), times=None)
    run = await ground.ingest(tile_job)
    assert isinstance(run.error, GaveUpError)
    assert "asked 10 times in a row for tasks that its queue does not give" in run.error.what
    assert run.exit_code == 7


async def test_a_boss_that_asks_for_the_same_tile_for_ever_is_given_up(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    ground.faults.add(
        "server.tile_uploaded", Lose(), match=lambda call: call.key.endswith("&0&0&2&0"), times=None
    )
    run = await ground.ingest(tile_job)
    assert run.exit_code == 7, run.outcome
    assert "asked 10 times in a row for 1 tasks that are uploaded already" in str(run.error)
    assert len(run.of(events.BackToUploading)) == 12
    ground.faults.clear()
    assert (await ground.ingest(tile_job, run.job_id)).exit_code == 0
    await slices.assert_stored(ground.boss)


async def test_a_boss_that_waits_and_verifies_in_turn_for_ever_is_given_up(
    ground: Ground, tile_job: Path
) -> None:
    job_id = (await ground.ingest(tile_job, manual_complete=True)).job_id
    jobs = ground.boss._state.jobs
    jobs.set_state(jobs[job_id], State.WAIT_ON_QUEUES)
    verifying = Garbage(b'{"job_status": 5}', 202, "application/json")
    ground.faults.add("rest.complete", verifying, times=None)
    run = await ground.ingest(tile_job, job_id, verify_timeout_s=0.5)
    assert run.exit_code == 7
    assert ground.faults.calls["rest.complete"] < 60, "not as fast as it can be asked"
