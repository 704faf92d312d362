"""One client's whole life on a job, against a local Boss: every way it can end, and what it says then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from boss_ingest.aws import keys
from boss_ingest.boss.jobs import JobState
from boss_ingest.engine import events
from boss_ingest.errors import JobGoneError, SourceError, StopRequestedError
from boss_ingest.local.faults import Call, Hold, Http
from boss_ingest.local.job_store import State
from tests.fault.conftest import chunk_job, ground, short_waits, slices, tile_job, volume
from tests.fault.ground import open_ground

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fault.ground import Ground
    from tests.volumes import Source

__all__ = ["chunk_job", "ground", "short_waits", "slices", "tile_job", "volume"]  # fixtures


async def test_a_tile_job_goes_from_uploading_to_complete(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    run = await ground.ingest(tile_job)
    assert (run.exit_code, run.outcome and run.outcome.why) == (0, "the job is complete")
    kinds = list(dict.fromkeys(type(event) for event in run.events))
    if events.Preparing in kinds:  # over before we look, on a slow machine
        kinds.remove(events.Preparing)
    assert kinds == [events.Uploading, events.Drained, events.Waiting, events.Verifying, events.Completed]
    assert (run.tally.total, run.tally.stored, run.tally.passed_through) == (4, 4, 4)
    await slices.assert_stored(ground.boss)


async def test_a_volumetric_job_goes_to_complete(ground: Ground, volume: Source, chunk_job: Path) -> None:
    run = await ground.ingest(chunk_job)
    assert run.exit_code == 0
    assert (run.tally.stored, run.tally.objects) == (1, 4)
    await volume.assert_stored(ground.boss)


async def test_a_job_that_is_complete_is_complete(ground: Ground, tile_job: Path) -> None:
    job_id = (await ground.ingest(tile_job)).job_id
    again = await ground.ingest(tile_job, job_id)
    assert again.exit_code == 0
    assert again.tally.stored == 0


async def test_completing_can_be_left_to_the_user(ground: Ground, slices: Source, tile_job: Path) -> None:
    run = await ground.ingest(tile_job, manual_complete=True)
    assert run.exit_code == 0
    assert (await ground.client.status(run.job_id)).state is JobState.UPLOADING
    assert (await ground.ingest(tile_job, run.job_id)).exit_code == 0
    await slices.assert_stored(ground.boss)


async def test_a_job_that_waits_on_its_queues_is_finished_without_uploading(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    run = await ground.ingest(tile_job, manual_complete=True)
    await ground.client.complete(run.job_id)
    again = await ground.ingest(tile_job, run.job_id)
    assert again.exit_code == 0
    assert again.of(events.Uploading) == []
    await slices.assert_stored(ground.boss)


async def test_a_cancelled_job_is_gone_before_and_during_the_upload(ground: Ground, tile_job: Path) -> None:
    hold = Hold()
    ground.faults.add("s3.PutObject", hold, times=None)
    job_id = await ground.create(tile_job)

    async def cancel() -> None:
        await hold.arrived.wait()
        await ground.client.cancel(job_id)
        hold.release()

    async with asyncio.TaskGroup() as group:
        group.create_task(cancel())
        running = group.create_task(ground.ingest(tile_job, job_id))
    assert isinstance(running.result().error, JobGoneError)
    assert "cancelled" in str(running.result().error)
    after = await ground.ingest(tile_job, job_id)
    assert after.exit_code == running.result().exit_code == 6


async def test_a_queue_that_goes_because_another_client_completed_the_job_is_a_good_end(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    """This client is looking for more work when the other one completes the job."""
    job_id = (await ground.ingest(tile_job, manual_complete=True)).job_id
    hold = Hold()
    ground.faults.add("sqs.ReceiveMessage", hold, times=None)

    async def other() -> None:
        await hold.arrived.wait()
        while (await ground.client.status(job_id)).state is not JobState.COMPLETE:
            await ground.client.complete(job_id)
            await asyncio.sleep(0.05)
        hold.release()

    async with asyncio.TaskGroup() as group:
        group.create_task(other())
        running = group.create_task(ground.ingest(tile_job, job_id))
    assert running.result().exit_code == 0, running.result().error
    await slices.assert_stored(ground.boss)


@pytest.mark.parametrize("status_works", [True, False])
async def test_a_queue_that_goes_while_the_boss_is_still_cleaning_up_is_waited_for(
    ground: Ground, tile_job: Path, status_works: bool
) -> None:
    """A Boss deletes the queues first and sets COMPLETE last; its status may fail for want of the queue."""
    job_id = (await ground.ingest(tile_job, manual_complete=True)).job_id
    state = ground.boss._state

    def queue_goes(_: Call) -> bool:
        if state.jobs[job_id].state is State.UPLOADING:
            state.jobs.set_state(state.jobs[job_id], State.COMPLETING)
            if not status_works:
                state.queues.delete(ground.queue_name(job_id))
        return True

    def asked_often(_: Call) -> bool:
        if ground.faults.calls["rest.status"] + ground.faults.calls["rest.complete"] == 4:
            state.jobs.set_state(state.jobs[job_id], State.COMPLETE)
        return False

    gone = Http(400, "AWS.SimpleQueueService.NonExistentQueue")
    ground.faults.add("sqs.ReceiveMessage", gone, match=queue_goes, times=None)
    for operation in ("rest.status", "rest.complete"):
        ground.faults.add(operation, gone, match=asked_often)
    run = await ground.ingest(tile_job, job_id)
    assert run.exit_code == 0, run.error
    assert ground.faults.calls["rest.status"] + ground.faults.calls["rest.complete"] >= 4


async def test_keys_that_died_because_the_job_was_completed_elsewhere_are_a_good_end(
    tmp_path: Path, slices: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS may forget the keys before it forgets the queue."""
    monkeypatch.setattr(keys, "PROPAGATION_S", 0.0)
    async with open_ground(tmp_path) as ground:
        await slices.make_channel(ground.boss)
        job = slices.write_job(tmp_path / "tiles.json", ground.boss)
        job_id = (await ground.ingest(job, manual_complete=True)).job_id
        state = ground.boss._state
        hold = Hold()
        ground.faults.add("sqs.ReceiveMessage", hold)

        async def other() -> None:
            await hold.arrived.wait()
            ground.faults.add("sqs.ReceiveMessage", Http(403, "InvalidClientTokenId"), times=None)
            ground.faults.add("sqs.GetQueueAttributes", Http(403, "InvalidClientTokenId"), times=None)
            state.jobs.set_state(state.jobs[job_id], State.COMPLETE)
            hold.release()

        async with asyncio.TaskGroup() as group:
            group.create_task(other())
            running = group.create_task(ground.ingest(job, job_id))
        assert running.result().exit_code == 0, running.result().error


async def test_a_renewal_without_keys_is_a_bad_moment_not_the_end(
    tmp_path: Path, slices: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Boss sometimes answers a join of a live job without keys (docs/protocol.md, "Joining")."""
    monkeypatch.setattr(keys, "PROPAGATION_S", 0.0)
    async with open_ground(tmp_path) as ground:
        await slices.make_channel(ground.boss)

        def keyless_from_now_on(_: object) -> bool:
            ground.boss._state.null_credentials = 1
            return True

        ground.faults.add("s3.PutObject", Http(400, "ExpiredToken"), match=keyless_from_now_on)
        run = await ground.ingest(slices.write_job(tmp_path / "tiles.json", ground.boss))
        assert run.exit_code == 0, run.error
        await slices.assert_stored(ground.boss)


async def test_tasks_that_were_set_aside_keep_the_job_from_being_completed(
    ground: Ground, slices: Source, tile_job: Path, tmp_path: Path
) -> None:
    (tmp_path / "slices/z0002_y0_x0.png").unlink()
    run = await ground.ingest(tile_job)
    assert run.exit_code == 3
    assert run.outcome is not None
    assert "not completed" in run.outcome.why
    assert ground.faults.calls["rest.complete"] == 0
    assert ground.left_in_queue(run.job_id) == 1
    (event,) = run.of(events.SetAside)
    assert isinstance(event.error, SourceError)
    assert "z0002_y0_x0.png" in event.error.what


async def test_a_stop_says_how_to_go_on_and_a_later_run_does(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    job_id = await ground.create(tile_job)
    stop = ground.stop
    ground.faults.add("s3.PutObject", Http(500), match=lambda _: bool(stop.request()) or True)
    run = await ground.ingest(tile_job, job_id, concurrency=1)
    assert isinstance(run.error, StopRequestedError)
    assert run.exit_code == 130
    assert f"join --job-id {job_id}" in run.error.hint

    ground.stop = type(stop)()
    ground.end_leases(job_id)
    assert (await ground.ingest(tile_job, job_id)).exit_code == 0
    await slices.assert_stored(ground.boss)


@pytest.mark.parametrize("moment", ["joining", "completing"])
async def test_a_stop_outside_the_upload_ends_the_run_too(
    ground: Ground, tile_job: Path, moment: str
) -> None:
    operation = {"joining": "rest.join", "completing": "rest.complete"}[moment]
    hold = Hold()
    ground.faults.add(operation, hold)

    async def stop() -> None:
        await hold.arrived.wait()
        ground.stop.request()

    async with asyncio.TaskGroup() as group:
        group.create_task(stop())
        running = group.create_task(ground.ingest(tile_job))
    assert running.result().exit_code == 130
    hold.release()
