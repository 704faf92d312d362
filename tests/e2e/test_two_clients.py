"""Two machines on one job at once share the work, and both see it complete."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from boss_ingest.local.faults import Delay, Hold
from tests.command import Machine

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.boss import LocalBoss
    from boss_ingest.local.faults import Call
    from tests.volumes import Source

PASSED = 10  # tiles that are stored before the PUTs of both clients are held
AT_ONCE = 4


async def test_two_clients_store_every_tile_once_between_them(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source, tmp_path: Path
) -> None:
    indexed: Counter[str] = Counter()

    def count(call: Call) -> bool:
        indexed[call.key] += 1
        return False

    puts: set[str] = set()
    both_put = asyncio.Event()

    def notice(call: Call) -> bool:
        puts.add(call.key)
        if len(puts) > PASSED + AT_ONCE:
            both_put.set()
        return True

    hold = Hold()
    boss.faults.add("server.tile_uploaded", Delay(0.0), match=count)
    boss.faults.add("s3.PutObject", hold, match=notice, times=None, after=PASSED)
    async with Machine(tmp_path / "second", boss.token) as second:
        quick = ("--progress", "json", "--concurrency", AT_ONCE, "--workers", 1)
        one = await machine.start("run", tile_job, "--yes", *quick)
        await hold.arrived.wait()
        two = await second.start("join", tile_job, "--job-id", 1, *quick)
        await both_put.wait()
        boss.faults.clear()
        boss.faults.add("server.tile_uploaded", Delay(0.0), match=count)
        ends = await asyncio.gather(one.ended(), two.ended())
    assert [ended.code for ended in ends] == [0, 0], "\n".join(ended.all for ended in ends)
    await slices.assert_stored(boss)
    assert len(indexed) == 72
    assert set(indexed.values()) == {1}
    stored = [max(event.get("stored", 0) for event in ended.events) for ended in ends]
    assert sum(stored) == 72
    assert all(stored), stored
