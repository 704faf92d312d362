"""A small soak: what `python -m tests.fault soak` does with a million tasks."""

from __future__ import annotations

from tests.fault.soak_boss import BossSoak
from tests.fault.soak_memory import MemorySoak, Mix


async def test_twenty_thousand_tasks_leave_memory_and_files_as_they_were() -> None:
    soak = MemorySoak(20_000, Mix(slow_down=0.1, index_fails=0.3, read_fails=0.3, put_fails=0.3))
    assert await soak.run() == []
    assert soak.gauge.problems(growth_bytes=32 << 20, slowing=2.0) == []  # other tests share this process
    assert soak.tally.redelivered + soak.tally.retries > 10, "there was some trouble"


async def test_some_hundred_tiles_go_through_a_boss_in_a_process_of_its_own() -> None:
    soak = BossSoak(300)
    assert await soak.run() == []
    assert soak.tally.stored == 300
