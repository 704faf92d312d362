"""Several uploading processes under one parent (`--processes`): together they are one client."""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from boss_ingest.local.faults import Hold
from boss_ingest.local.queues import upload_queue
from tests.command import SOON_S
from tests.e2e.ahead import told_ahead
from tests.e2e.leases import let_leases_end, without_the_dead
from tests.volumes import change_job

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine, Running
    from tests.volumes import Source

TWO = ("--processes", 2, "--concurrency", 4, "--workers", 2, "--progress", "json")

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")


async def test_tiles_are_stored_by_both_after_one_join_and_the_counts_are_of_both(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    hold = Hold()
    boss.faults.add("s3.PutObject", hold, times=None, after=20)
    running = await machine.start("run", tile_job, "--yes", *TWO)
    await hold.arrived.wait()
    children = children_of(running.pid)
    command_lines = [command_line(child) for child in children]
    assert ["fleet_member" in line for line in command_lines] == [True, True]
    assert boss.token not in "".join(command_lines)
    assert [has_the_sdk(pid) for pid in (running.pid, *children)] == [False, True, True]
    await running.has_stored(16)
    hold.release()
    ahead = await told_ahead(running, boss)
    ended = await running.ended()
    assert ended.code == 0, ended.all
    assert ahead == []
    await slices.assert_stored(boss)
    assert boss.faults.calls["server.credentials"] == 1
    progress = [event for event in ended.events if event["event"] == "Progress"]
    assert [event["stored"] for event in progress] == sorted(event["stored"] for event in progress)
    last = progress[-1]
    assert [last[name] for name in ("stored", "done", "total", "objects", "in_work")] == [72, 72, 72, 72, 0]
    kinds = [event["event"] for event in ended.events]
    assert [kinds.count(kind) for kind in ("Uploading", "Drained", "Completed", "Outcome")] == [1, 1, 1, 1]


async def test_one_killed_in_the_middle_is_replaced_and_nothing_is_lost(
    machine: Machine, boss: LocalBoss, chunk_job: Path, volume: Source
) -> None:
    hold = Hold()
    boss.faults.add("s3.PutObject", hold, times=None, after=3)
    running = await machine.start("run", chunk_job, "--yes", *TWO)
    await hold.arrived.wait()
    os.kill(children_of(running.pid)[1], signal.SIGKILL)
    died = json.loads(await running.says('"ProcessDied"'))
    assert "SIGKILL" in died["how"]
    boss.faults.clear()
    ended = await without_the_dead(boss, running.ended())
    assert ended.code == 0, ended.all
    await volume.assert_stored(boss)
    assert boss.faults.calls["server.credentials"] == 1


async def test_a_signal_stops_both_in_an_orderly_way_and_leaves_no_process_behind(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    running, children = await start_and_hold(machine, boss, tile_job)
    running.process.send_signal(signal.SIGTERM)
    await running.says('"Stopping"')
    boss.faults.clear()
    ended = await running.ended()
    assert ended.code == 130, ended.all
    assert "boss-ingest join --job-id 1" in ended.err
    await all_gone(children)
    depth = boss.queue_depth(upload_queue(1))
    assert depth.visible + depth.in_flight == 72 - ended.events[-1]["stored"]


@pytest.mark.parametrize("how", ["SIGKILL", "a second SIGINT"])
async def test_no_process_stays_behind_when_the_parent_does_not_wait(
    machine: Machine, boss: LocalBoss, tile_job: Path, how: str
) -> None:
    running, children = await start_and_hold(machine, boss, tile_job)
    if how == "SIGKILL":
        running.kill()
    else:
        running.signal_all(signal.SIGINT)
        await running.says("once more to stop at once")
        running.signal_all(signal.SIGINT)
    await all_gone(children)
    ended = await running.ended()
    assert ended.code == (-9 if how == "SIGKILL" else 130), ended.all
    assert "Traceback" not in ended.err


async def test_what_is_set_aside_is_tried_and_told_by_one_and_gone_back_to_by_both(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    root = slices.client["path_processor"]["params"]["root_dir"]
    shutil.copytree(root, machine.cwd / "slices")
    change_job(tile_job, "client.path_processor.params.root_dir", "slices")
    bad = {"z0007_y0_x1.png", "z0009_y1_x0.png"}
    for name in bad:
        (machine.cwd / "slices" / name).unlink()
    ended = await machine.run("run", tile_job, "--yes", "--attempts", 1, *TWO)
    assert ended.code == 3, ended.all
    aside = [event for event in ended.events if event["event"] == "SetAside"]
    assert sorted(event["error"].split()[0].rpartition("/")[2] for event in aside) == sorted(bad)
    assert "set aside: 2 tiles" in ended.err
    (report,) = (machine.memory / "reports").iterdir()
    assert len(report.read_text().splitlines()) == 2
    for name in bad:
        shutil.copy(f"{root}/{name}", machine.cwd / "slices" / name)
    let_leases_end(boss)
    ended = await machine.run("retry", "--job-id", 1, *TWO)
    assert ended.code == 0, ended.all
    assert "of 2 tasks set aside before, 2 stored now" in ended.err
    await slices.assert_stored(boss)


async def start_and_hold(machine: Machine, boss: LocalBoss, config: Path) -> tuple[Running, list[int]]:
    """A job whose processes both have tiles on their way; `pidfd`s of the processes and their workers."""
    hold = Hold()
    boss.faults.add("s3.PutObject", hold, times=None, after=20)
    running = await machine.start("run", config, "--yes", *TWO)
    await hold.arrived.wait()
    children = children_of(running.pid)
    assert len(children) == 2
    return running, [os.pidfd_open(pid) for child in children for pid in (child, *children_of(child))]


async def all_gone(processes: list[int]) -> None:
    """Wait until all of them have ended; fails when one does not."""
    for pidfd in processes:
        ended, _, _ = await asyncio.to_thread(select.select, [pidfd], [], [], SOON_S)
        assert ended, "a process stays behind"
        os.close(pidfd)


def children_of(pid: int) -> list[int]:
    return [
        int(child)
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()


def has_the_sdk(pid: int) -> bool:
    """Told by a compiled library that only the SDK wants."""
    return "wrapt" in Path(f"/proc/{pid}/maps").read_text()
