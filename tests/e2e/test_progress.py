"""Progress, in its four forms, never says more than is true."""

from __future__ import annotations

import asyncio
import re
import shutil
from typing import TYPE_CHECKING

from boss_ingest.local.faults import Http
from boss_ingest.local.settings import TILE_BUCKET
from tests.e2e.ahead import told_ahead
from tests.e2e.leases import let_leases_end
from tests.terminal import terminal
from tests.volumes import change_job

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine
    from tests.volumes import Source


async def test_json_lines_all_parse_and_never_run_ahead_of_what_is_stored(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    boss.faults.add("s3.PutObject", Http(503, "SlowDown"), times=3, after=10)
    running = await machine.start("run", tile_job, "--yes", "--progress", "json", "--workers", 1)
    ahead = await told_ahead(running, boss)
    ended = await running.ended()
    assert ended.code == 0, ended.all
    assert ahead == []
    progress = [event for event in ended.events if event["event"] == "Progress"]
    assert [event["stored"] for event in progress] == sorted(event["stored"] for event in progress)
    last = progress[-1]
    assert (last["stored"], last["done"], last["total"], last["objects"]) == (72, 72, 72, 72)
    assert last["retries"] >= 3
    assert [event["event"] for event in ended.events][-1] == "Outcome"
    assert ended.events[-1] == {"event": "Outcome", "job_id": 1, "exit_code": 0, "why": "the job is complete"}


async def test_the_bar_stands_complete_at_the_end_and_leaves_the_terminal_clean(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    async with terminal(machine, "run", tile_job, "--yes") as screen:
        assert await screen.ended() == 0
        await screen.shows("job 1: the job is complete")
        bars = [line for line in screen.last_lines if re.match(r"72 / 72 tiles .*100%", line)]
        assert bars, screen.shown
        assert "72 tiles, " in screen.shown
        assert screen.last_lines[-2:] == ["job 1: the job is complete", ""]
        assert b"\x1b[?25l" in screen._drawn
        assert screen._drawn.rindex(b"\x1b[?25h") > screen._drawn.rindex(b"\x1b[?25l")


async def test_lines_tell_the_way_and_none_tells_only_the_end(
    machine: Machine, boss: LocalBoss, tile_job: Path, chunk_job: Path
) -> None:
    lines, none = await asyncio.gather(
        machine.run("run", tile_job, "--yes", "--progress", "lines"),
        machine.run("run", chunk_job, "--yes", "--progress", "none"),
    )
    assert (lines.code, none.code) == (0, 0), lines.all + none.all
    for told in ("uploading job ", ": 72 tasks in all", "everything is uploaded", "72 of 72 tiles (100.0 %)"):
        assert told in lines.err
    assert "uploading" not in none.err
    assert "stored here: 8 chunks as 14 cuboids" in none.err
    assert sorted(lines.out + none.out) == sorted("job 1: the job is complete\njob 2: the job is complete\n")


async def test_what_is_set_aside_is_named_counted_and_left_in_the_queue(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    root = "client.path_processor.params.root_dir"
    shutil.copytree(slices.client["path_processor"]["params"]["root_dir"], machine.cwd / "slices")
    change_job(tile_job, root, "slices")
    (machine.cwd / "slices/z0007_y0_x1.png").unlink()
    (machine.cwd / "slices/z0009_y1_x0.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    ended = await machine.run("run", tile_job, "--yes", "--progress", "json", "--attempts", 1)
    assert ended.code == 3, ended.all
    assert ended.events[-1]["exit_code"] == 3
    aside = {
        event["error"].split()[0].rpartition("/")[2] for event in ended.events if event["event"] == "SetAside"
    }
    assert aside == {"z0007_y0_x1.png", "z0009_y1_x0.png"}
    assert "set aside: 2 tiles" in ended.err
    assert all(f"slices/{name}" in ended.err for name in aside)
    assert "boss-ingest retry --job-id 1" in ended.err
    assert len(boss.objects(TILE_BUCKET)) == 70
    let_leases_end(boss)
    change_job(tile_job, root, slices.client["path_processor"]["params"]["root_dir"])
    ended = await machine.run("join", "--job-id", 1)
    assert ended.code == 0, ended.all
    assert "stored here: 2 tiles" in ended.err
    await slices.assert_stored(boss)


async def test_a_reader_of_json_that_goes_away_stops_nothing(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    """As in `boss-ingest run … --progress json | head -1`."""
    running = await machine.start("run", tile_job, "--yes", "--progress", "json")
    transport = running.process._transport.get_pipe_transport(1)
    await running.says('"Progress"')
    transport.close()
    ended = await running.ended()
    assert "bug" not in ended.err
    assert ended.code == 0, ended.all
