"""Going back to what was set aside, and to nothing else: SQS hands out what it likes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from boss_ingest.aws.queue import Depth
from boss_ingest.boss.keys import TileKey
from boss_ingest.engine import events
from boss_ingest.engine.pipeline import End, Pipeline
from boss_ingest.engine.wanted import LOOK_S, Wanted
from boss_ingest.errors import QueueGoneError, RefusedError, SourceError, TransientError
from tests.doubles.upload_rig import IDS, TileRig
from tests.doubles.warped_time import in_warped_time


def key(z: int) -> str:
    return TileKey(IDS, 0, 0, 0, z, 0).encode()


def going_back(rig: TileRig, slices: Iterable[int], *, alone: bool = True) -> tuple[Pipeline, Wanted]:
    wanted = Wanted(map(key, slices), alone=alone)
    return rig.pipeline(wanted=wanted), wanted


def now_s() -> float:
    return asyncio.get_running_loop().time()


@in_warped_time
async def test_only_what_is_wanted_is_done_and_the_rest_comes_back_soon() -> None:
    rig = TileRig(40)
    await rig.fill()
    pipeline, wanted = going_back(rig, {3, 17, 38})
    assert await pipeline.run() is End.SEARCHED
    assert rig.stored == rig.deleted == {3, 17, 38}
    assert (wanted.mended, wanted.left) == (3, set())
    assert {event.key for event in rig.of(events.Mended)} == {key(z) for z in (3, 17, 38)}
    await asyncio.sleep(LOOK_S)
    assert (await rig.upload.depth()).visible == 37


@in_warped_time
async def test_when_nothing_else_is_left_the_queue_is_drained_and_the_leases_are_long() -> None:
    rig = TileRig(3)
    await rig.fill()
    leases_s: list[float] = []
    lease = rig.upload.lease

    async def noted(most: int, *, wait_s: float, lease_s: float) -> object:
        leases_s.append(lease_s)
        return await lease(most, wait_s=wait_s, lease_s=lease_s)

    rig.upload.lease = noted  # type: ignore[method-assign, assignment]
    pipeline, wanted = going_back(rig, {0, 1, 2})
    assert await pipeline.run() is End.DRAINED
    assert leases_s[0] == rig.options.lease_s
    assert rig.deleted == {0, 1, 2}
    assert not wanted.alone, "what the Boss may put back is for everybody"


@in_warped_time
async def test_a_task_still_leased_by_the_run_before_is_waited_for() -> None:
    rig = TileRig(2)
    await rig.fill()
    await rig.upload.lease(1, wait_s=0, lease_s=170)
    pipeline, _ = going_back(rig, {0})
    assert await pipeline.run() is End.SEARCHED
    assert rig.deleted == {0}


@in_warped_time
async def test_what_fails_again_is_set_aside_again() -> None:
    rig = TileRig(2)
    rig.trouble.add("read", lambda: SourceError("still truncated"), z=1, times=None)
    await rig.fill()
    pipeline, wanted = going_back(rig, {0, 1})
    assert await pipeline.run() is End.DRAINED
    assert (wanted.mended, wanted.failed_again, rig.set_aside) == (1, 1, {1})
    (event,) = rig.of(events.SetAside)
    assert 160 < event.back_s <= 170


@in_warped_time
async def test_what_is_done_already_is_not_looked_for_for_ever() -> None:
    rig = TileRig(5)
    await rig.fill()
    pipeline, wanted = going_back(rig, {77})
    began_s = now_s()
    assert await pipeline.run() is End.SEARCHED
    assert 170 < now_s() - began_s < 400, "longer than any lease lasts"
    assert wanted.left == {key(77)}
    assert rig.stored == set()


@in_warped_time
async def test_nothing_to_go_back_to_leaves_a_queue_with_work_alone() -> None:
    rig = TileRig(5)
    await rig.fill()
    pipeline, _ = going_back(rig, ())
    began_s = now_s()
    assert await pipeline.run() is End.SEARCHED
    assert now_s() - began_s < 30
    assert rig.stored == set()


@in_warped_time
async def test_one_who_works_on_everything_tells_of_what_was_set_aside_before() -> None:
    rig = TileRig(5)
    await rig.fill()
    pipeline, _ = going_back(rig, {2}, alone=False)
    assert await pipeline.run() is End.DRAINED
    assert rig.deleted == {0, 1, 2, 3, 4}
    assert [event.key for event in rig.of(events.Mended)] == [key(2)]


@in_warped_time
async def test_at_the_end_what_was_set_aside_is_leased_for_a_short_look_only() -> None:
    """Whoever mends the file and goes back to it waits half a minute less than three."""
    rig = TileRig(3)
    rig.trouble.add("read", lambda: SourceError("truncated"), z=1, times=None)

    async def slow(step: str, z: int | None) -> None:
        if (step, z) == ("read", 2):
            await asyncio.sleep(165.0)

    rig.trouble.hook = slow
    assert await rig.run() is End.DRAINED
    assert rig.tally.set_aside.back_s - now_s() <= LOOK_S + 10


@in_warped_time
async def test_a_stale_receipt_costs_one_more_delivery_and_no_upload() -> None:
    rig = TileRig(3)
    rig.trouble.add("ack", lambda: RefusedError("ReceiptHandleIsInvalid"), z=1)
    assert await rig.run() is End.DRAINED
    assert rig.deleted == {0, 1, 2}
    assert [rig.trouble.count(step, 1) for step in ("read", "put", "index")] == [1, 1, 1]
    assert rig.tally.redelivered == 1


@in_warped_time
async def test_a_queue_that_goes_while_it_is_looked_at_ends_the_run() -> None:
    rig = TileRig(3)
    rig.trouble.add("lease", lambda: QueueGoneError("gone"))
    await rig.fill()
    pipeline, _ = going_back(rig, {1})
    try:
        await pipeline.run()
    except QueueGoneError:
        return
    raise AssertionError("it went on")


@in_warped_time
async def test_what_is_done_and_comes_again_is_deleted_though_it_is_no_longer_looked_for() -> None:
    rig = TileRig(20)
    await rig.fill()
    gone_s = 50.0
    rig.trouble.add("ack", lambda: TransientError("reset"), z=3, times=None, when=lambda: now_s() < gone_s)

    async def slow(step: str, z: int | None) -> None:
        if (step, z) == ("read", 5):
            await asyncio.sleep(2 * gone_s)

    gone_s += now_s()
    rig.trouble.hook = slow
    pipeline, wanted = going_back(rig, {3, 5})
    assert await pipeline.run() is End.SEARCHED
    assert wanted.mended == 2
    assert rig.deleted == {3, 5}
    assert rig.trouble.count("put", 3) == 1


@in_warped_time
async def test_counts_that_are_behind_do_not_make_others_of_the_last_task() -> None:
    """SQS tells for some seconds after the last message is deleted that it is still there."""
    rig = TileRig(1)
    await rig.fill()
    depth, emptied_s = rig.upload.depth, float("inf")

    async def behind() -> Depth:
        nonlocal emptied_s
        true = await depth()
        if not true.total:
            emptied_s = min(emptied_s, now_s())
        return true if now_s() - emptied_s > 5.0 or true.total else Depth(visible=0, in_flight=1, delayed=0)

    rig.upload.depth = behind  # type: ignore[method-assign]
    pipeline, _ = going_back(rig, {0})
    assert await pipeline.run() is End.DRAINED
