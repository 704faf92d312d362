"""Before a job is made: what `run` shows, what it asks, and that a no leaves nothing behind."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from boss_ingest.local.faults import Hold
from tests.command import SOON_S
from tests.terminal import CTRL_C, terminal
from tests.volumes import change_job

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine
    from tests.volumes import Source


ROOT = "client.path_processor.params.root_dir"


def made_nothing(boss: LocalBoss) -> bool:
    return boss.faults.calls["rest.create"] == 0


async def test_a_dry_run_shows_the_plan_and_creates_nothing(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    ended = await machine.run("run", tile_job, "--dry-run")
    assert ended.code == 0, ended.all
    host = boss.url.removeprefix("http://")
    assert f"col/exp/ch (image, uint8) on {host}" in ended.err
    assert "x [0, 700)  y [0, 600)  z [0, 18)  t [0, 1)" in ended.err
    assert "72 tiles of 512 × 512" in ended.err
    assert "7.56 MB of voxels" in ended.err
    assert "a first read of the source" in ended.err
    assert f"token from {machine.home}/.intern/intern.cfg" in ended.err
    assert made_nothing(boss)


async def test_the_edges_that_share_cuboids_are_told_in_one_note(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    ended = await machine.run("run", tile_job, "--dry-run")
    notes = [line for line in ended.err.splitlines() if line.startswith("Note")]
    assert len(notes) == 1
    assert all(edge in notes[0] for edge in ("x = 700 to 1024", "y = 600 to 1024", "z = 18 to 32"))


async def test_the_destination_is_the_boss_in_use_not_the_one_in_the_job_file(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    change_job(tile_job, "client.backend.host", "api.bossdb.io")
    ended = await machine.run("run", tile_job, "--dry-run", "--host", boss.url)
    assert f"on {boss.url.removeprefix('http://')}" in ended.err
    assert "bossdb.io" not in ended.err


async def test_no_is_no(machine: Machine, boss: LocalBoss, tile_job: Path) -> None:
    ended = await machine.run("run", tile_job, answer="n\n")
    assert ended.code == 130
    assert "Start?" in ended.err
    assert "nothing was done" in ended.err
    assert made_nothing(boss)


async def test_with_nobody_to_ask_it_says_so_and_names_yes(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    ended = await machine.run("run", tile_job, answer="")
    assert ended.code == 2
    assert "--yes" in ended.err
    assert made_nothing(boss)


async def test_ctrl_c_at_the_question_is_a_no(machine: Machine, boss: LocalBoss, tile_job: Path) -> None:
    async with terminal(machine, "run", tile_job) as screen:
        await screen.shows("Start?")
        assert await screen.interrupt() == 130
        assert "nothing was done" in screen.shown
    assert made_nothing(boss)


async def test_ctrl_c_after_the_question_stops_the_job(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    hold = Hold()
    boss.faults.add("rest.join", hold)
    async with terminal(machine, "run", tile_job) as screen:
        await screen.shows("Start?")
        screen.type("y\n")
        await hold.arrived.wait()
        screen.type(CTRL_C)
        assert await screen.ended(timeout_s=SOON_S) == 130
        assert "boss-ingest join --job-id 1" in screen.shown


@pytest.mark.parametrize(
    ("file", "body", "told"),
    [
        ("z0000_y0_x0.png", None, "No such file"),
        ("z0017_y1_x1.png", b"", "z0017_y1_x1.png"),
        ("z0000_y0_x0.png", b"\x89PNG\r\n\x1a\n", "z0000_y0_x0.png"),
    ],
)
async def test_a_source_that_cannot_be_read_shows_before_the_job_is_made(
    machine: Machine,
    boss: LocalBoss,
    tile_job: Path,
    slices: Source,
    file: str,
    body: bytes | None,
    told: str,
) -> None:
    copied = machine.cwd / "slices"
    shutil.copytree(slices.client["path_processor"]["params"]["root_dir"], copied)
    change_job(tile_job, ROOT, "slices")
    if body is None:
        (copied / file).unlink()
    else:
        (copied / file).write_bytes(body)
    ended = await machine.run("run", tile_job, answer="\n")
    assert ended.code == 130, ended.all
    assert "Problem" in ended.err
    assert told in ended.err
    assert file in ended.err
    assert "Start all the same?" in ended.err
    assert made_nothing(boss)


async def test_a_dry_run_fails_when_the_source_does(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    change_job(tile_job, ROOT, "elsewhere")
    ended = await machine.run("run", tile_job, "--dry-run")
    assert ended.code == 3, ended.all
    assert "elsewhere/z0000_y0_x0.png" in ended.err
    assert made_nothing(boss)


async def test_yes_does_not_make_a_job_whose_source_cannot_even_be_opened(
    machine: Machine, boss: LocalBoss, chunk_job: Path
) -> None:
    change_job(chunk_job, "client.chunk_processor.params.volume_name", "light")
    ended = await machine.run("run", chunk_job, "--yes")
    assert ended.code == 4, ended.all
    assert "volume.zarr/light" in ended.err
    assert "has em" in ended.err
    assert made_nothing(boss)
