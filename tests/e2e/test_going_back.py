"""The Boss changes its mind, or somebody else does: the client follows, and says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from boss_ingest.local.faults import Hold, Lose
from tests.command import Machine
from tests.local_jobs import Client, Joined

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.boss import LocalBoss
    from tests.volumes import Source


async def test_tiles_whose_index_messages_were_lost_are_uploaded_again(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    boss.faults.add("server.tile_uploaded", Lose(), times=3)
    ended = await machine.run("run", tile_job, "--yes", "--progress", "json")
    assert ended.code == 0, ended.all
    assert "BackToUploading" in {event["event"] for event in ended.events}
    assert ended.events[-2]["stored"] == 75
    await slices.assert_stored(boss)


async def test_chunks_that_the_boss_did_not_ingest_are_waited_for(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    boss.faults.add("server.tile_ingest", Lose(), times=2)
    ended = await machine.run("run", tile_job, "--yes", "--progress", "json")
    assert ended.code == 0, ended.all
    assert [event["event"] for event in ended.events].count("Verifying") == 2
    assert ended.events[-2]["stored"] == 72
    await slices.assert_stored(boss)


@pytest.mark.parametrize("first_gone", ["queue", "keys"])
async def test_a_job_cancelled_by_someone_else_ends_the_upload(
    machine: Machine, boss: LocalBoss, tile_job: Path, tmp_path: Path, first_gone: str
) -> None:
    if first_gone == "keys":
        boss._state.credentials._lag_s = 0.0
    hold = Hold()
    boss.faults.add("s3.PutObject", hold, times=None, after=20)
    running = await machine.start("run", tile_job, "--yes")
    await hold.arrived.wait()
    async with Machine(tmp_path / "second", boss.token) as second:
        assert (await second.run("cancel", "--job-id", 1, "--yes", "--host", boss.url)).code == 0
    boss.faults.clear()
    ended = await running.ended()
    assert ended.code == 6, ended.all
    assert "job 1 was cancelled" in ended.err
    assert "Traceback" not in ended.err


async def test_a_job_completed_by_the_other_client_is_complete(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    """The other one holds the last message until we wait for it, stores its tile, and completes the job."""
    ended = await machine.run("run", tile_job, "--yes", "--manual-complete", "--progress", "none")
    assert ended.code == 0, ended.all
    async with Client(boss) as client:
        other: Joined = await client.join(1)
        boss._state.queues.get(other.upload_queue.rpartition("/")[2]).send(['{"a": "late message"}'])
        async with other.clients() as (sqs, _):
            (late,) = await other.receive(sqs)
            joining = await machine.start("join", "--job-id", 1)
            await joining.says("waiting for 1 task")
            await sqs.delete_message(QueueUrl=other.upload_queue, ReceiptHandle=late["ReceiptHandle"])
        await client.finish(1)
    ended = await joining.ended()
    assert ended.code == 0, ended.all
    assert "job 1: the job is complete" in ended.out
    await slices.assert_stored(boss)
