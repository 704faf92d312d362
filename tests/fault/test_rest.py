"""The Boss's REST API on a bad day, from create to complete."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from boss_ingest.boss.client import BossClient
from boss_ingest.boss.jobs import JobState
from boss_ingest.config.loading import load_job_file
from boss_ingest.engine.options import Options
from boss_ingest.engine.plan import make_plan
from boss_ingest.errors import GaveUpError
from boss_ingest.local.faults import Cut, Fault, Garbage, Hold, Http, Lose, Reset
from boss_ingest.local.job_store import State
from boss_ingest.plugins.loading import load_source
from tests.fault.ground import open_ground

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fault.ground import Ground
    from tests.volumes import Source

BAD_MOMENTS: dict[str, Fault] = {
    "502 page": Garbage(b"<html>502 Bad Gateway</html>", 502),
    "503": Http(503, "detail"),
    "429": Http(429, "detail", "Request was throttled."),
    "9001 as 400": Http(400, 9001, "An error occurred (ThrottlingException) when calling AWS"),
    "page as 200": Garbage(),
    "reset after": Reset("after"),
    "half an answer": Cut(20),
}


@pytest.mark.parametrize("fault", BAD_MOMENTS.values(), ids=BAD_MOMENTS)
async def test_a_job_is_completed_through_bad_moments_of_every_call(
    fault: Fault, ground: Ground, slices: Source, tile_job: Path
) -> None:
    for operation in ("rest.join", "rest.complete", "rest.status"):
        ground.faults.add(operation, fault, times=2)
    run = await ground.ingest(tile_job)
    assert run.exit_code == 0, run.error
    await slices.assert_stored(ground.boss)


@pytest.mark.parametrize("name", ["502 page", "9001 as 400", "page as 200", "reset after"])
async def test_a_create_that_fails_doubtfully_is_not_sent_again(
    name: str, ground: Ground, tile_job: Path
) -> None:
    """It may have come to be: a second would be a second job."""
    ground.faults.add("rest.create", BAD_MOMENTS[name], times=None)
    with pytest.raises(GaveUpError) as caught:
        await ground.create(tile_job)
    assert caught.value.exit_code == 7
    assert "boss-ingest jobs" in caught.value.hint
    assert ground.faults.calls["rest.create"] == 1
    assert len(await ground.client.jobs()) == (1 if name == "reset after" else 0)


@pytest.mark.parametrize("operation", ["rest.join", "rest.complete"])
async def test_a_boss_that_only_fails_is_given_up_and_nothing_is_lost(
    operation: str, ground: Ground, slices: Source, tile_job: Path
) -> None:
    ground.faults.add(operation, Http(502, "detail"), times=None)
    run = await ground.ingest(tile_job, give_up_s=1.0)
    assert run.exit_code == 7
    ground.faults.clear()
    assert (await ground.ingest(tile_job, run.job_id)).exit_code == 0
    await slices.assert_stored(ground.boss)


async def test_a_boss_that_stays_without_keys_is_given_up_with_advice(tmp_path: Path, slices: Source) -> None:
    async with open_ground(tmp_path, null_credentials=1000) as ground:
        await slices.make_channel(ground.boss)
        run = await ground.ingest(slices.write_job(tmp_path / "tiles.json", ground.boss))
        assert run.exit_code == 7
        assert "gives no keys" in str(run.error)
        assert ground.faults.calls["rest.join"] < 12


async def test_a_few_joins_without_keys_are_waited_out(tmp_path: Path, slices: Source) -> None:
    async with open_ground(tmp_path, null_credentials=3) as ground:
        await slices.make_channel(ground.boss)
        job = slices.write_job(tmp_path / "tiles.json", ground.boss)
        run = await ground.ingest(job, manual_complete=True)
        assert run.exit_code == 0, run.error


async def test_a_queue_that_could_not_be_filled_ends_the_job(tmp_path: Path, slices: Source) -> None:
    async with open_ground(tmp_path, populate_fails=True) as ground:
        await slices.make_channel(ground.boss)
        run = await ground.ingest(slices.write_job(tmp_path / "tiles.json", ground.boss))
        assert run.exit_code == 6
        assert "could not fill the queue" in str(run.error)


@pytest.mark.parametrize("state", [State.DELETED, State.FAILED])
async def test_a_job_that_ended_badly_elsewhere_is_gone(state: State, ground: Ground, tile_job: Path) -> None:
    job_id = await ground.create(tile_job)
    jobs = ground.boss._state.jobs
    jobs.set_state(jobs[job_id], state)
    run = await ground.ingest(tile_job, job_id)
    assert run.exit_code == 6
    assert run.tally.stored == 0


async def test_tiles_that_verification_misses_are_uploaded_again(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    """The index messages of two tiles have no effect: the Boss finds out and asks for them again."""
    ground.faults.add("server.tile_uploaded", Lose(), times=2)
    run = await ground.ingest(tile_job)
    assert run.exit_code == 0, run.error
    assert run.tally.stored == len(slices.volume) + 2
    await slices.assert_stored(ground.boss)


async def test_a_verification_that_never_ends_is_given_up(ground: Ground, tile_job: Path) -> None:
    job_id = (await ground.ingest(tile_job, manual_complete=True)).job_id
    ground.faults.add("server.tile_ingest", Hold(), times=None)
    jobs = ground.boss._state.jobs
    jobs.set_state(jobs[job_id], State.COMPLETING)
    run = await ground.ingest(tile_job, job_id, verify_timeout_s=0.3)
    assert run.exit_code == 7
    assert "has been completing it" in str(run.error)
    assert (await ground.client.status(job_id)).state is JobState.COMPLETING


async def test_a_boss_that_is_not_there_is_given_up_by_its_name(tile_job: Path) -> None:
    with socket.socket() as taken:  # and deaf: nobody else gets its port
        taken.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{taken.getsockname()[1]}"
        async with BossClient(f"http://{host}", SecretStr("t0ken"), give_up_s=0.0) as nobody:
            job = load_job_file(tile_job)
            with pytest.raises(GaveUpError, match=host) as caught:
                await make_plan(job, load_source(job), nobody, Options())
    assert caught.value.exit_code == 7
