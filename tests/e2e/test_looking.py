"""`status`, `jobs`, `cancel` and `complete`: what is told, and what is asked, of a job that exists."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.local_jobs import Client
from tests.volumes import read_job

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine
    from tests.volumes import Source


async def start_job(boss: LocalBoss, config: Path) -> int:
    async with Client(boss) as client:
        return (await client.start(read_job(config))).id


async def test_status_tells_the_state_and_what_waits(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    job_id = await start_job(boss, tile_job)
    ended = await machine.run("status", "--job-id", job_id, "--host", boss.url)
    assert ended.code == 0, ended.all
    assert "job 1: UPLOADING" in ended.out
    assert "72 of 72 tasks" in ended.out
    assert "its tasks expire " in ended.out
    assert "UTC, in 1" in ended.out
    ended = await machine.run("status", "--job-id", job_id, "--host", boss.url, "--json")
    told = json.loads(ended.out)
    expires = datetime.fromisoformat(told.pop("expires"))
    assert timedelta(days=13, hours=23) < expires - datetime.now(UTC) < timedelta(days=14)
    assert told == {"id": 1, "state": "UPLOADING", "total": 72, "visible": 72}


async def test_jobs_lists_what_is_ours_and_not_cancelled(
    machine: Machine, boss: LocalBoss, tile_job: Path, chunk_job: Path
) -> None:
    nothing = await machine.run("jobs", "--host", boss.url)
    assert (nothing.code, nothing.out) == (0, "no jobs\n")
    await start_job(boss, tile_job)
    await start_job(boss, chunk_job)
    async with Client(boss, "eve") as eve:
        await eve.create(read_job(tile_job))
    cancelled = await start_job(boss, chunk_job)
    ended = await machine.run("cancel", "--job-id", cancelled, "--host", boss.url, "--yes")
    assert ended.code == 0, ended.all
    ended = await machine.run("jobs", "--host", boss.url)
    assert [line.split()[:3] for line in ended.out.splitlines()] == [
        ["1", "UPLOADING", "tile"],
        ["2", "UPLOADING", "volumetric"],
    ]
    assert ended.out.count("col/exp/ch") == 2
    ended = await machine.run("jobs", "--host", boss.url, "--json")
    assert ended.code == 0, ended.all
    assert [(job["id"], job["type"], job["channel"]) for job in ended.events] == [
        (1, "tile", "col/exp/ch"),
        (2, "volumetric", "col/exp/ch"),
    ]


@pytest.mark.parametrize(("answer", "gone"), [("n\n", False), ("\n", False), ("y\n", True)])
async def test_cancel_asks(
    machine: Machine, boss: LocalBoss, tile_job: Path, answer: str, gone: bool
) -> None:
    job_id = await start_job(boss, tile_job)
    ended = await machine.run("cancel", "--job-id", job_id, "--host", boss.url, answer=answer)
    assert "72 of 72 tasks wait in its queue, not counting those in work. Cancel it?" in ended.err
    assert ended.code == (0 if gone else 130)
    status = await machine.run("status", "--job-id", job_id, "--host", boss.url)
    assert status.code == (6 if gone else 0)
    if gone:
        again = await machine.run("cancel", "--job-id", job_id, "--host", boss.url, "--yes")
        assert again.code == 6, again.all


async def test_a_job_uploaded_with_manual_complete_is_finished_by_complete(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    ended = await machine.run("run", tile_job, "--yes", "--manual-complete")
    assert ended.code == 0, ended.all
    assert "boss-ingest complete --job-id 1" in ended.out
    status = await machine.run("status", "--job-id", 1)
    assert "job 1: UPLOADING" in status.out
    ended = await machine.run("complete", "--job-id", 1)
    assert ended.code == 0, ended.all
    assert ended.out.splitlines()[-1] == "job 1: the job is complete"
    await slices.assert_stored(boss)
    again = await machine.run("complete", "--job-id", 1, "--progress", "json")
    assert again.code == 0
    assert again.events[-1] == {"event": "Outcome", "job_id": 1, "exit_code": 0, "why": "the job is complete"}


async def test_complete_does_nothing_while_tasks_remain(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    job_id = await start_job(boss, tile_job)
    ended = await machine.run("complete", "--job-id", job_id, "--host", boss.url)
    assert ended.code == 3, ended.all
    assert "boss-ingest join" in ended.out
    status = await machine.run("status", "--job-id", job_id, "--host", boss.url)
    assert "UPLOADING" in status.out


async def test_a_complete_job_cannot_be_cancelled(
    machine: Machine, boss: LocalBoss, chunk_job: Path, volume: Source
) -> None:
    assert (await machine.run("run", chunk_job, "--yes")).code == 0
    ended = await machine.run("cancel", "--job-id", 1, "--yes")
    assert ended.code != 0
    assert "job 1 is complete" in ended.err
    assert "bug" not in ended.err
    await volume.assert_stored(boss)
