"""Disks that are full, homes that are not there, no terminal, no temporary folder: the upload goes on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from boss_ingest.local.queues import upload_queue
from boss_ingest.local.settings import TILE_BUCKET
from tests.command import COMMAND
from tests.volumes import change_job

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.command import Ended, Machine
    from tests.volumes import Source

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no disk that is always full")
posix = pytest.mark.skipif(os.name != "posix", reason="shells and file descriptors of POSIX")


def is_complete(ended: Ended) -> bool:
    return ended.code == 0 and "Traceback" not in ended.err and "bug" not in ended.err


@needs_full
async def test_a_full_disk_for_the_log_is_told_once_and_the_job_completed(
    machine: Machine, boss: LocalBoss, chunk_job: Path, volume: Source
) -> None:
    ended = await machine.run("run", chunk_job, "--yes", "--log-file", FULL, "--log-level", "debug")
    assert is_complete(ended), ended.all
    assert ended.err.count("the log /dev/full cannot be written") == 1
    assert "Logging error" not in ended.err
    await volume.assert_stored(boss)


@needs_full
async def test_a_full_disk_for_the_report_loses_no_task(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    change_job(tile_job, "client.path_processor.params.root_dir", "elsewhere")
    ended = await machine.run("run", tile_job, "--yes", "--attempts", 1, "--report", FULL)
    assert ended.code == 3, ended.all
    assert ended.err.count("the report /dev/full cannot be written: No space left on device") == 1
    assert "boss-ingest join --job-id 1" in ended.err, "`retry` would have nothing to read"
    assert ended.err.splitlines()[-1] == "report: cannot be written: /dev/full"
    assert boss.objects(TILE_BUCKET) == []
    queue = boss.queue_depth(upload_queue(1))
    assert queue.visible + queue.in_flight == 72
    ended = await machine.run("retry", "--job-id", 1, "--report", FULL)
    assert ended.code == 2, ended.all


@needs_full
async def test_a_full_disk_for_standard_output_stops_nothing(
    machine: Machine, boss: LocalBoss, chunk_job: Path, volume: Source
) -> None:
    ended = await shell(machine, '"$@" plugins > /dev/full')
    assert ended.err == "warning: standard output cannot be written: No space left on device\n"
    ended = await shell(machine, f'"$@" run {chunk_job} --yes --progress json > /dev/full')
    assert is_complete(ended), ended.all
    await volume.assert_stored(boss)


@posix
async def test_without_any_standard_stream_the_job_is_completed(
    machine: Machine, boss: LocalBoss, chunk_job: Path, volume: Source
) -> None:
    ended = await shell(machine, f'"$@" run {chunk_job} --yes 0<&- 1>&- 2>&-; echo "code $?"')
    assert ended.out == "code 0\n", ended.all
    await volume.assert_stored(boss)


@posix
async def test_with_nobody_there_and_no_yes_nothing_is_made(
    machine: Machine, boss: LocalBoss, chunk_job: Path
) -> None:
    ended = await shell(machine, f'"$@" run {chunk_job} 0<&-')
    assert ended.code == 2, ended.all
    assert "--yes" in ended.err
    assert boss.faults.calls["rest.create"] == 0


async def test_a_home_that_cannot_be_used_costs_log_and_memory_only(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    """A file stands where the folder should be; to root, who runs some tests, no folder is forbidden."""
    (machine.cwd / "file").write_text("")
    change_job(tile_job, "client.path_processor.params.root_dir", "elsewhere")
    machine.env["BOSS_INGEST_HOME"] = str(machine.cwd / "file/home")
    ended = await machine.run("run", tile_job, "--yes", "--attempts", 1)
    assert ended.code == 3, ended.all
    assert "warning: no log file: " in ended.err
    assert f"the report {machine.cwd}/file/home/reports/1@" in ended.err
    assert "boss-ingest join --job-id 1" in ended.err
    assert "bug" not in ended.err
    assert (await machine.run("status", "--job-id", 1, "--host", boss.url)).code == 0


@posix
async def test_a_user_without_a_home_is_told_and_the_job_completed(
    machine: Machine, boss: LocalBoss, chunk_job: Path, volume: Source
) -> None:
    """As of a container started with a user id that no /etc/passwd knows: Python then finds no home."""
    (machine.cwd / "sitecustomize.py").write_text(
        "import pathlib\n"
        "def home(cls):\n"
        "    raise RuntimeError('Could not determine home directory.')\n"
        "pathlib.Path.home = classmethod(home)\n"
    )
    machine.env |= {"BOSS_INGEST_HOME": "", "PYTHONPATH": str(machine.cwd), "INTERN_TOKEN": boss.token}
    ended = await machine.run("run", chunk_job, "--yes")
    assert is_complete(ended), ended.all
    assert "no log file: this user has no home directory; set HOME or BOSS_INGEST_HOME" in ended.err
    await volume.assert_stored(boss)


@posix
async def test_without_a_temporary_folder_the_job_is_completed(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    """As where TMPDIR is gone and nothing else can be written."""
    (machine.cwd / "sitecustomize.py").write_text(
        "import tempfile\ntempfile._candidate_tempdir_list = lambda: ['/nowhere/at/all']\n"
    )
    machine.env |= {"PYTHONPATH": str(machine.cwd), "TMPDIR": "/nowhere/at/all"}
    ended = await machine.run("run", tile_job, "--yes")
    assert is_complete(ended), ended.all
    await slices.assert_stored(boss)


async def shell(machine: Machine, script: str) -> Ended:
    """Run the command in a shell, as `"$@"`."""
    return await machine.run_command("sh", "-c", script, "sh", *COMMAND)
