"""Room: bounded in bytes and in tasks, first come first served, never impossible."""

import asyncio

import pytest

from boss_ingest.engine import budget
from boss_ingest.engine.budget import Place, Room


async def started(coroutine) -> asyncio.Task[None]:
    task = asyncio.create_task(coroutine)
    for _ in range(3):
        await asyncio.sleep(0)
    return task


async def test_lets_in_up_to_the_bytes_and_no_further() -> None:
    room = Room(memory_bytes=100, tasks=10)
    await room.enter(60)
    waiting = await started(room.enter(60))
    assert not waiting.done()
    assert room.used_bytes == 60
    room.leave(60)
    await waiting
    assert room.used_bytes == 60


async def test_lets_in_up_to_the_number_of_tasks() -> None:
    room = Room(memory_bytes=1000, tasks=3)
    await room.enter(1, tasks=2)
    waiting = await started(room.enter(1, tasks=2))
    assert not waiting.done()
    room.leave(1)
    await waiting
    assert room.tasks_in_work == 3


async def test_a_task_larger_than_all_the_memory_is_let_in_alone() -> None:
    room = Room(memory_bytes=100, tasks=10)
    await room.enter(500)
    second = await started(room.enter(500))
    assert not second.done()
    room.leave(500)
    await second


async def test_a_large_batch_is_not_overtaken_by_small_ones() -> None:
    room = Room(memory_bytes=100, tasks=100)
    await room.enter(50)
    large = await started(room.enter(80))
    small = await started(room.enter(1))
    assert not large.done()
    assert not small.done()
    room.leave(50)
    await large
    await small


async def test_a_cancelled_wait_leaves_no_trace_and_wakes_the_next() -> None:
    room = Room(memory_bytes=100, tasks=100)
    await room.enter(50)
    large = await started(room.enter(80))
    small = await started(room.enter(10))
    large.cancel()
    with pytest.raises(asyncio.CancelledError):
        await large
    await small
    assert room.used_bytes == 60


async def test_cancelling_in_the_moment_of_entry_gives_the_room_back() -> None:
    room = Room(memory_bytes=100, tasks=100)
    await room.enter(100)
    waiting = await started(room.enter(100))
    room.leave(100)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert (room.used_bytes, room.tasks_in_work) == (0, 0)


@pytest.mark.parametrize(("cost", "expected"), [(1, 8), (30, 3), (1000, 1), (0, 8)])
def test_capacity_counts_whole_tasks_and_is_never_zero(cost: int, expected: int) -> None:
    assert Room(memory_bytes=100, tasks=8).capacity(cost) == expected


async def test_many_that_are_cancelled_together_harm_neither_each_other_nor_the_count() -> None:
    """As when Ctrl-C, or a queue that is gone, ends everything at one time."""
    room = Room(memory_bytes=100, tasks=10)
    await room.enter(60)
    waiting = [await started(room.enter(cost)) for cost in (60, 10, 60, 70)]
    for task in waiting:
        task.cancel()
    room.leave(60)
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    assert (room.used_bytes, room.tasks_in_work) == (0, 0)
    async with asyncio.timeout(60):
        await room.enter(100)


async def test_room_given_back_early_is_given_back_once_and_taken_again() -> None:
    room = Room(memory_bytes=100, tasks=1)
    await room.enter(60)
    place = Place(room, 60)
    place.leave_early()
    place.leave_early()
    assert (room.tasks_in_work, room.used_bytes, room.early) == (0, 0, 1)
    await room.enter(60)
    again = await started(place.take_again())
    assert not again.done()
    room.leave(60)
    await again
    assert (room.tasks_in_work, room.early) == (1, 0)
    place.leave()
    assert (room.tasks_in_work, room.early) == (0, 0)


async def test_a_wait_to_take_room_again_may_be_cancelled() -> None:
    room = Room(memory_bytes=100, tasks=1)
    await room.enter(60)
    place = Place(room, 60)
    place.leave_early()
    await room.enter(60)
    again = await started(place.take_again())
    again.cancel()
    await asyncio.wait([again])
    place.leave()
    assert (room.tasks_in_work, room.early) == (1, 0)


async def test_when_many_have_left_early_the_others_keep_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_EARLY", 2)
    room = Room(memory_bytes=100, tasks=10)
    await room.enter(10, tasks=3)
    places = [Place(room, 10) for _ in range(3)]
    for place in places:
        place.leave_early()
    assert (room.tasks_in_work, room.early) == (1, 2)
    for place in places:
        place.leave()
    assert (room.tasks_in_work, room.early) == (0, 0)
