"""One pipeline of several processes of a client: what it leaves to the others, and what it says of them."""

from __future__ import annotations

import asyncio

from boss_ingest.engine import events
from boss_ingest.engine.pipeline import End
from boss_ingest.engine.siblings import Siblings
from tests.doubles.upload_rig import TileRig
from tests.doubles.warped_time import in_warped_time


@in_warped_time
async def test_what_a_sibling_has_in_work_is_waited_for_without_a_word() -> None:
    rig = TileRig()
    await rig.fill()
    (theirs,) = await rig.upload.lease(1, wait_s=0, lease_s=170)
    siblings = Siblings(number=0, processes=2, busy=True)
    running = asyncio.create_task(rig.pipeline(siblings=siblings).run())
    await asyncio.sleep(20.0)
    assert rig.tally.stored == 4
    assert not running.done()
    await rig.upload.acknowledge(theirs)
    siblings.busy = False
    assert await running is End.DRAINED
    assert rig.of(events.WaitingForOthers) == []


@in_warped_time
async def test_what_a_sibling_set_aside_is_left_alone() -> None:
    rig = TileRig()
    await rig.fill()
    (theirs,) = await rig.upload.lease(1, wait_s=0, lease_s=1)
    rig.tally.set_aside.elsewhere([theirs.message_id])
    assert await rig.pipeline().run() is End.DRAINED
    assert rig.tally.stored == 4
    assert rig.of(events.SetAside) == []


@in_warped_time
async def test_processes_take_turns_at_asking_how_much_is_left() -> None:
    rig = TileRig(tiles=2, tasks=1)
    loop = asyncio.get_running_loop()
    began_s, asked_s = loop.time(), []

    async def slowly(step: str, _: int | None) -> None:
        if step == "read":
            await asyncio.sleep(58.0)
        elif step == "depth":
            asked_s.append(round(loop.time() - began_s))

    rig.trouble.hook = slowly
    await rig.fill()
    assert await rig.pipeline(siblings=Siblings(number=1, processes=3)).run() is End.DRAINED
    assert [second for second in asked_s if second < 58] == [5, 20, 35, 50]
