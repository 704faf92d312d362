"""One of several uploading processes that hangs: ended and replaced, but not because its parent slept."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from boss_ingest.engine import fleet_wire as wire
from boss_ingest.engine.events import ProcessDied
from boss_ingest.engine.fleet_process import MemberProcess
from boss_ingest.local.faults import Hold
from tests.e2e.leases import without_the_dead

if TYPE_CHECKING:
    from tests.fault.ground import Ground, Run
    from tests.volumes import Source

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")

SAYS_WHEN_TOLD = """
import sys
from boss_ingest.engine import fleet_wire as wire
sys.stdin.buffer.read(1)
sys.stdout.buffer.write(wire.pack(wire.Ready()))
sys.stdout.buffer.flush()
sys.stdin.buffer.read()
"""


async def test_processes_that_hang_are_replaced_and_nothing_is_lost(
    ground: Ground, tile_job: Path, slices: Source
) -> None:
    hold = Hold()
    ground.faults.add("s3.PutObject", hold, times=None)
    running = asyncio.create_task(ground.ingest(tile_job, processes=2, workers=2, silence_s=6.0))
    await hold.arrived.wait()
    for child in uploading_children():
        os.kill(child, signal.SIGSTOP)
    ground.faults.clear()
    hold.release()

    async def to_the_end() -> Run:
        return await running

    run = await without_the_dead(ground.boss, to_the_end())
    assert run.exit_code == 0, run.error
    assert sorted(event.number for event in run.of(ProcessDied)) == [1, 2]
    assert {event.how.partition("\n")[0] for event in run.of(ProcessDied)} == {"it said nothing for 6 s"}
    await slices.assert_stored(ground.boss)
    assert uploading_children() == []


async def test_time_in_which_the_parent_itself_does_not_run_is_no_silence_of_its_children() -> None:
    """A laptop that sleeps, a parent that is stopped: what was said meanwhile is heard first."""
    process = await member(SAYS_WHEN_TOLD, silence_s=2.0)
    try:
        heard = asyncio.create_task(process.hear())
        process.tell(wire.Run())
        await asyncio.sleep(0)
        time.sleep(3.0)  # noqa: ASYNC251 - that is what is tried
        assert await heard == wire.Ready()
    finally:
        process.kill()
        await process.gone()


async def test_one_that_says_nothing_is_ended() -> None:
    process = await member(SAYS_WHEN_TOLD, silence_s=0.1)
    with pytest.raises(EOFError):
        await process.hear()
    assert await process.gone() == "it said nothing for 0.1 s"


async def member(code: str, *, silence_s: float) -> MemberProcess:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
    )
    return MemberProcess(process, 1, silence_s=silence_s)


def uploading_children() -> list[int]:
    return [
        int(child)
        for thread in Path("/proc/self/task").iterdir()
        for child in (thread / "children").read_text().split()
        if "fleet_member" in Path(f"/proc/{child}/cmdline").read_text()
    ]
