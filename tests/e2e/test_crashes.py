"""Killed in the middle, by the system or by a person: nothing is lost, and `join` does the rest."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from boss_ingest.local.faults import Hold
from boss_ingest.local.queues import upload_queue
from tests.command import SOON_S
from tests.e2e.leases import let_leases_end, without_the_dead

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine, Running
    from tests.volumes import Source


async def start_and_hold(
    machine: Machine, boss: LocalBoss, config: Path, *, puts: int
) -> tuple[Running, Hold]:
    """A job in which so many objects are stored, and the next ones are on their way."""
    hold = Hold()
    boss.faults.add("s3.PutObject", hold, times=None, after=puts)
    options = ("--progress", "json", "--concurrency", 4, "--workers", 1)
    running = await machine.start("run", config, "--yes", *options)
    await hold.arrived.wait()
    return running, hold


@pytest.mark.parametrize("kind", ["tile", "volumetric"])
async def test_a_client_killed_in_the_middle_is_followed_by_one_that_finishes(
    machine: Machine,
    boss: LocalBoss,
    tile_job: Path,
    chunk_job: Path,
    slices: Source,
    volume: Source,
    kind: str,
) -> None:
    config, source = (tile_job, slices) if kind == "tile" else (chunk_job, volume)
    running, hold = await start_and_hold(machine, boss, config, puts=20 if kind == "tile" else 5)
    running.kill()
    assert (await running.ended()).code == -signal.SIGKILL
    hold.release()
    boss.faults.clear()
    ended = await without_the_dead(boss, machine.run("join", "--job-id", 1))
    assert ended.code == 0, ended.all
    await source.assert_stored(boss)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_finishes_what_is_in_flight_and_says_how_to_go_on(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source, number: signal.Signals
) -> None:
    running, hold = await start_and_hold(machine, boss, tile_job, puts=20)
    running.signal_all(number)
    await running.says("once more to stop at once")
    hold.release()
    ended = await running.ended()
    assert ended.code == 130, ended.all
    assert "boss-ingest join --job-id 1" in ended.err
    stored = ended.events[-1]["stored"]
    queue = boss.queue_depth(upload_queue(1))
    assert 20 <= stored < 72
    assert queue.visible + queue.in_flight == 72 - stored  # a batch may have come in as we stopped
    if number == signal.SIGTERM:
        return
    boss.faults.clear()
    let_leases_end(boss)
    ended = await machine.run("join", "--job-id", 1, "--progress", "json")
    assert ended.code == 0, ended.all
    assert ended.events[-2]["stored"] == 72 - stored
    await slices.assert_stored(boss)


async def test_a_second_ctrl_c_stops_at_once(machine: Machine, boss: LocalBoss, tile_job: Path) -> None:
    running, _ = await start_and_hold(machine, boss, tile_job, puts=20)
    await running.has_stored(20)  # counted once their index messages are sent
    running.signal_all(signal.SIGINT)
    await running.says("once more to stop at once")
    running.signal_all(signal.SIGINT)
    ended = await running.ended(timeout_s=SOON_S)
    assert ended.code == 130, ended.all
    assert "boss-ingest join --job-id 1" in ended.err
    assert "Traceback" not in ended.err
    assert ended.events[-1]["stored"] == 20


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
async def test_no_worker_outlives_its_killed_client(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    running, _ = await start_and_hold(machine, boss, tile_job, puts=20)
    workers = [os.pidfd_open(child) for child in children_of(running.pid)]
    assert workers
    running.kill()
    await running.ended()
    for worker in workers:
        ended, _, _ = await asyncio.to_thread(select.select, [worker], [], [], SOON_S)
        os.close(worker)
        assert ended, "a worker lives on"


def children_of(pid: int) -> list[int]:
    return [
        int(child)
        for thread in Path(f"/proc/{pid}/task").iterdir()
        for child in (thread / "children").read_text().split()
    ]


async def test_a_stop_while_the_boss_verifies_says_how_to_go_on(
    machine: Machine, boss: LocalBoss, chunk_job: Path
) -> None:
    hold = Hold()
    boss.faults.add("rest.complete", hold, after=1)
    running = await machine.start("run", chunk_job, "--yes", "--progress", "json")
    await hold.arrived.wait()
    running.signal_all(signal.SIGINT)
    ended = await running.ended(timeout_s=SOON_S)
    assert ended.code == 130, ended.all
    assert "boss-ingest join --job-id 1" in ended.err
    assert json.loads(ended.out.splitlines()[-1])["stored"] == 8
