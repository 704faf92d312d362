"""The soak: so many tasks that whatever grows with their number shows, in memory and through a Boss.

`python -m tests.fault soak --tasks 1000000 --boss-tasks 100000`; either may be 0.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from tests.fault.soak_boss import TILE, BossSoak
from tests.fault.soak_memory import MemorySoak
from tests.fault.table import Row

if TYPE_CHECKING:
    import argparse

GROWTH_BYTES = 16 << 20
"""What the process may gain after the first tenth: allocators do not give back all that is free."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this part."""
    parser.add_argument("--tasks", type=int, default=1_000_000, help="in memory [default: 1000000]")
    parser.add_argument("--boss-tasks", type=int, default=100_000, help="through a Boss [default: 100000]")


async def run(arguments: argparse.Namespace) -> list[Row]:
    """One row for each of the two."""
    rows = []
    if arguments.tasks:
        rows.append(await _row("soak in memory", MemorySoak(arguments.tasks), voxels=1))
    if arguments.boss_tasks:
        rows.append(await _row("soak through a local Boss", BossSoak(arguments.boss_tasks), voxels=TILE**2))
    return rows


async def _row(name: str, soak: MemorySoak | BossSoak, *, voxels: int) -> Row:
    print(f"{name}: {soak.gauge.tasks:,} tasks …", file=sys.stderr, flush=True)
    began_s = time.monotonic()
    problems = [*await soak.run(), *soak.gauge.problems(growth_bytes=GROWTH_BYTES)]
    told = soak.gauge.told()
    return Row(
        name,
        runs=1,
        tasks=soak.gauge.tasks,
        lost_voxels=soak.lost * voxels,
        set_aside=len(soak.tally.set_aside),
        seconds=time.monotonic() - began_s,
        note=f"FAILED: {'; '.join(problems)}; {told}" if problems else told,
    )
