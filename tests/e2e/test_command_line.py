"""The words of the command line: help, version, typos, and the form of boss-ingest 0.x."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

import pytest

from boss_ingest import __version__
from boss_ingest.errors import ExitCode
from tests.command import Machine
from tests.local_jobs import Client
from tests.volumes import read_job

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.boss import LocalBoss
    from tests.volumes import Source

COMMANDS = ("run", "join", "retry", "status", "complete", "cancel", "jobs", "local", "plugins")


@pytest.fixture
async def bare(tmp_path: Path) -> Machine:
    """A computer that no Boss knows."""
    return Machine(tmp_path / "bare")


async def test_help_answers_at_once_and_names_every_command_and_exit_code(
    bare: Machine, record_property: pytest.RecordProperty
) -> None:
    times_s = []
    for _ in range(5):
        began_s = time.monotonic()
        ended = await bare.run("--help")
        times_s.append(time.monotonic() - began_s)
    assert ended.code == 0
    assert all(f"\n  {command} " in ended.out for command in COMMANDS)
    assert all(f"\n    {code.value} " in ended.out for code in ExitCode)
    record_property("help_median_s", statistics.median(times_s))
    assert min(times_s) < 2.0  # 0.15 on a quiet machine; what it must not import is told below


async def test_help_imports_nothing_heavy(bare: Machine) -> None:
    bare.env["PYTHONPROFILEIMPORTTIME"] = "1"
    imported = {line.rpartition("|")[2].strip() for line in (await bare.run("--help")).err.splitlines()}
    assert "boss_ingest.cli.main" in imported
    assert not imported & {"numpy", "botocore", "aiohttp", "pydantic", "PIL", "rich"}


async def test_every_command_explains_itself(bare: Machine) -> None:
    ends = await asyncio.gather(*(bare.run(command, "--help") for command in COMMANDS))
    for command, ended in zip(COMMANDS, ends, strict=True):
        assert ended.code == 0, ended.all
        assert f"boss_ingest {command}" in ended.out


async def test_the_version_needs_no_network(bare: Machine) -> None:
    ended = await bare.run("--version")
    assert (ended.code, ended.out) == (0, f"boss-ingest {__version__}\n")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("stauts", "--job-id", 1), "Did you mean 'status'?"),
        (("canel",), "Did you mean 'cancel'?"),
        (("runn", "job.json"), "Did you mean 'run'?"),
        (("--versoin",), "--version"),
        (("jobs", "--host", "boss.example:99999"), "boss.example:99999"),
        (("jobs", "--host", "ftp://boss.example"), "ftp://boss.example"),
        (("run",), "CONFIG"),
        (("join",), "--job-id"),
        (("run", "job.json", "--memory", "lots"), "4G"),
        (("run", "job.json", "--concurrency", 0), "--concurrency"),
        (("run", "job.json", "--progres", "none"), "--progress"),
        (("--cancel",), "--job-id"),
        (("local", "serv"), "serve"),
    ],
)
async def test_a_slip_is_exit_2_and_says_what_was_meant(
    bare: Machine, args: tuple[object, ...], told: str
) -> None:
    ended = await bare.run(*args)
    assert ended.code == 2, ended.all
    assert told in ended.err


async def test_a_job_file_that_is_not_there_is_exit_4(bare: Machine) -> None:
    for args in (("run", "missing.json"), ("missing.json",), ("join", "missing.json", "--job-id", 1)):
        ended = await bare.run(*args)
        assert ended.code == 4, ended.all
        assert "missing.json" in ended.err


async def test_http_over_a_network_must_be_asked_for(bare: Machine) -> None:
    bare.env["INTERN_TOKEN"] = "0123456789"
    ended = await bare.run("jobs", "--host", "http://boss.example")
    assert ended.code == 4, ended.all
    assert "--allow-http" in ended.err


async def test_the_old_form_makes_runs_and_completes_a_job(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    (machine.home / ".intern/intern.cfg").unlink()
    log = machine.cwd / "old.log"
    flags = ("-a", boss.token, "-f", "-p", 1, "-r", 5, "-l", log, "-v", "DEBUG")
    ended = await machine.run(tile_job, *flags)
    assert ended.code == 0, ended.all
    assert f"boss-ingest run {tile_job} --yes --workers 1 --log-file {log} --log-level debug`" in ended.err
    assert "-r has no use" in ended.err
    assert boss.token not in ended.err
    assert "'event': 'Completed'" in log_text(log)
    await slices.assert_stored(boss)


def log_text(path: Path) -> str:
    return path.read_text()


async def test_the_old_form_uploads_joins_and_cancels(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    ended = await machine.run("--manual-complete", "--force", "--processes_nb", 1, tile_job)
    assert ended.code == 0, ended.all
    assert "boss-ingest complete --job-id 1" in ended.out
    async with Client(boss) as client:
        assert await client.create(read_job(tile_job)) == 2
    ended = await machine.run(tile_job, "--job-id", 2, "--force", "-m")
    assert ended.code == 0, ended.all
    assert "boss-ingest join" in ended.err
    ended = await machine.run(tile_job, "-c", "-j", 2, answer="y\n")
    assert ended.code == 0, ended.all
    assert "Cancel it?" in ended.err
    ended = await machine.run("-c", "-j", 1, "-f")
    assert ended.code == 0, ended.all
    assert "job 1 is cancelled" in ended.out
