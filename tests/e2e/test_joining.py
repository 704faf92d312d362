"""`join`: from any directory, with the job file or without, and what it refuses."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from boss_ingest.local.faults import Hold
from boss_ingest.local.settings import TILE_BUCKET
from tests.local_jobs import Client
from tests.volumes import change_job, read_job

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.boss import LocalBoss
    from tests.command import Ended, Machine
    from tests.volumes import Source


async def make_job(machine: Machine, boss: LocalBoss, config: Path, *options: str) -> Ended:
    """A job that this machine made and did not begin to upload."""
    hold = Hold()
    boss.faults.add("rest.join", hold)
    running = await machine.start("run", config, "--yes", *options)
    await hold.arrived.wait()
    running.process.terminate()
    ended = await running.ended()
    boss.faults.clear()
    return ended


async def test_a_job_stopped_while_it_is_prepared_goes_on_from_another_directory_without_its_job_file(
    machine: Machine, boss: LocalBoss, slices: Source, tmp_path: Path, tile_job: Path
) -> None:
    (machine.cwd / "here").symlink_to(slices.client["path_processor"]["params"]["root_dir"])
    change_job(tile_job, "client.path_processor.params.root_dir", "here")
    stopped = await make_job(machine, boss, tile_job)
    assert stopped.code == 130
    assert "boss-ingest join --job-id 1" in stopped.err
    (tmp_path / "my-token").write_text(boss.token)  # where the command is given, not where it goes to
    ended = await machine.run("join", "--job-id", 1, "--token-file", "my-token", cwd=tmp_path)
    assert ended.code == 0, ended.all
    assert f"token from {tmp_path}/my-token" in ended.err
    assert f"job file: {tile_job}" in ended.err
    assert f"going on in {machine.cwd}" in ended.err
    await slices.assert_stored(boss)


async def test_a_job_whose_directory_is_gone_can_be_joined_by_its_job_file(
    machine: Machine, boss: LocalBoss, tmp_path: Path, tile_job: Path, slices: Source
) -> None:
    gone = tmp_path / "scratch"
    gone.mkdir()
    hold = Hold()
    boss.faults.add("rest.join", hold)
    running = await machine.start("run", tile_job, "--yes", cwd=gone)
    await hold.arrived.wait()
    running.process.terminate()
    await running.ended()
    boss.faults.clear()
    gone.rmdir()
    ended = await machine.run("join", "--job-id", 1)
    assert ended.code == 2, ended.all
    assert f"boss-ingest join {tile_job} --job-id 1" in ended.err
    ended = await machine.run("join", tile_job, "--job-id", 1)
    assert ended.code == 0, ended.all
    await slices.assert_stored(boss)


async def test_a_machine_that_did_not_make_the_job_needs_its_job_file(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    async with Client(boss) as client:
        job_id = await client.create(read_job(tile_job))
    ended = await machine.run("join", "--job-id", job_id)
    assert ended.code == 2
    assert f"boss-ingest join CONFIG --job-id {job_id}" in ended.err
    ended = await machine.run("join", tile_job, "--job-id", job_id)
    assert ended.code == 0, ended.all
    await slices.assert_stored(boss)


async def test_a_job_made_with_host_is_joined_there(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    change_job(tile_job, "client.backend.host", "api.bossdb.invalid")
    change_job(tile_job, "client.backend.protocol", "https")
    await make_job(machine, boss, tile_job, "--host", boss.url)
    ended = await machine.run("join", "--job-id", 1)
    assert ended.code == 0, ended.all
    await slices.assert_stored(boss)


async def test_a_job_file_that_names_another_boss_by_now_is_told_of(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    await make_job(machine, boss, tile_job)
    change_job(tile_job, "client.backend.host", "api.bossdb.invalid")
    change_job(tile_job, "client.backend.protocol", "https")
    ended = await machine.run("join", tile_job, "--job-id", 1)
    assert ended.code == 0, ended.all
    named = "https://api.bossdb.invalid"
    assert f"made the job on {boss.url} and goes there, though the job file names {named}" in ended.err
    assert f"--host {named}" in ended.err


@pytest.mark.parametrize(("path", "value"), [("database.channel", "other"), ("ingest_job.extent.z", [0, 17])])
async def test_a_job_file_of_another_job_is_refused_and_nothing_is_uploaded(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source, path: str, value: object
) -> None:
    await slices.make_channel(boss, "other")
    async with Client(boss) as client:
        await client.create(read_job(tile_job))
    change_job(tile_job, path, value)
    ended = await machine.run("join", tile_job, "--job-id", 1)
    assert ended.code == 4, ended.all
    assert path.rpartition(".extent")[0] in ended.err
    assert "stored here" not in ended.err
    assert boss.objects(TILE_BUCKET) == []


async def test_a_complete_job_has_nothing_left_to_do(
    machine: Machine, boss: LocalBoss, tile_job: Path, chunk_job: Path
) -> None:
    runs = [machine.run("run", config, "--yes", "--progress", "none") for config in (tile_job, chunk_job)]
    assert [ended.code for ended in await asyncio.gather(*runs)] == [0, 0]
    for job_id in (1, 2):
        ended = await machine.run("join", "--job-id", job_id)
        assert ended.code == 0, ended.all
        assert f"job {job_id}: the job is complete" in ended.out
        assert "stored here" not in ended.err


@pytest.mark.parametrize("kind", ["tile", "volumetric"])
async def test_a_cancelled_job_is_gone(
    machine: Machine, boss: LocalBoss, tile_job: Path, chunk_job: Path, kind: str
) -> None:
    config = tile_job if kind == "tile" else chunk_job
    async with Client(boss) as client:
        job = await client.start(read_job(config))
        await client.ask("DELETE", f"/v1/ingest/{job.id}")
    ended = await machine.run("join", config, "--job-id", job.id)
    assert ended.code == 6, ended.all
    assert "job 1" in ended.err
    assert "cancelled" in ended.err


async def test_a_job_that_never_was_is_gone(machine: Machine, tile_job: Path) -> None:
    ended = await machine.run("join", tile_job, "--job-id", 77)
    assert ended.code == 6, ended.all
    assert "there is no ingest job 77" in ended.err


async def test_someone_elses_job_is_not_ours_to_join(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    async with Client(boss, "eve") as eve:
        job_id = await eve.create(read_job(tile_job))
    for args in (("join", tile_job), ("status", "--host", boss.url), ("cancel", "--yes", "--host", boss.url)):
        ended = await machine.run(*args, "--job-id", job_id)
        assert ended.code == 5, ended.all
        assert "creator" in ended.err
