"""Chunks are read ahead as far as PUTs need it: few at a time, many from a slow source."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from boss_ingest.engine.limiter import PutLimiter
from boss_ingest.engine.read_ahead import ReadAhead
from tests.doubles.warped_time import in_warped_time

OBJECTS = 16


class Reader:
    """Reads that end when they are told to."""

    def __init__(self, ahead: ReadAhead) -> None:
        self.ahead = ahead
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Future[None]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def read(self, name: str) -> None:
        async with self.ahead.reading(OBJECTS):
            self.begun.append(name)
            await self._ends[name]

    async def want(self, *names: str) -> None:
        for name in names:
            self._ends[name] = asyncio.get_running_loop().create_future()
            self._tasks[name] = asyncio.create_task(self.read(name))
        await settle()

    async def end(self, name: str, error: Exception | None = None) -> None:
        if error:
            self._ends[name].set_exception(error)
        else:
            self._ends[name].set_result(None)
        await asyncio.wait([self._tasks[name]])
        assert self._tasks[name].exception() is error
        await settle()

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.wait([self._tasks[name]])
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
async def reader() -> Reader:
    return Reader(ReadAhead(PutLimiter(8), is_busy=lambda: False))


async def test_two_begin_and_the_others_wait_in_turn(reader: Reader) -> None:
    await reader.want(*"abcde")
    assert reader.begun == ["a", "b"]
    await reader.end("b")
    reader.ahead.settled(OBJECTS)
    await settle()
    assert reader.begun[:3] == ["a", "b", "c"]


async def test_while_enough_is_there_to_store_nothing_more_is_read(reader: Reader) -> None:
    await reader.want(*"abc")
    await reader.end("a")
    assert reader.begun == ["a", "b"]
    reader.ahead.settled(OBJECTS - 8)
    await settle()
    assert reader.begun == ["a", "b"]
    reader.ahead.settled()  # now fewer are left than may be in flight
    await settle()
    assert reader.begun == ["a", "b", "c"]


async def test_a_read_that_ends_when_nothing_is_left_to_store_makes_room_for_one_more(reader: Reader) -> None:
    await reader.want(*"abcde")
    await reader.end("a")
    reader.ahead.settled(OBJECTS)
    await settle()
    assert reader.begun == ["a", "b", "c", "d"]


async def test_while_the_cores_are_busy_no_more_are_read_side_by_side() -> None:
    reader = Reader(ReadAhead(PutLimiter(8), is_busy=lambda: True))
    await reader.want(*"abcde")
    await reader.end("a")
    reader.ahead.settled(OBJECTS)
    await settle()
    assert reader.begun == ["a", "b", "c"]


async def test_a_read_that_fails_or_is_cancelled_gives_its_turn_to_the_next(reader: Reader) -> None:
    await reader.want(*"abcde")
    await reader.end("a", OSError("gone"))
    assert reader.begun == ["a", "b", "c"]
    await reader.cancel("d")  # still waiting
    await reader.cancel("b")
    assert reader.begun == ["a", "b", "c", "e"]


@in_warped_time
async def test_from_a_slow_source_all_are_read_at_once_well_before_their_leases_end() -> None:
    ahead = ReadAhead(PutLimiter(64), is_busy=lambda: False)
    loop = asyncio.get_running_loop()

    async def read() -> float:
        async with ahead.reading(OBJECTS):
            began_s = loop.time()
            await asyncio.sleep(60.0)
        ahead.settled(OBJECTS)
        return began_s

    zero_s = loop.time()
    begun_s = await asyncio.gather(*(read() for _ in range(16)))
    assert max(begun_s) - zero_s < 40.0


async def test_all_of_many_are_read_in_the_end() -> None:
    ahead = ReadAhead(PutLimiter(8))

    async def read(n: int) -> int:
        async with ahead.reading(OBJECTS):
            await asyncio.sleep(0)
        for _ in range(OBJECTS):
            await asyncio.sleep(0)
            ahead.settled()
        return n

    async with AsyncExitStack() as stack:
        await stack.enter_async_context(asyncio.timeout(30.0))
        assert await asyncio.gather(*(read(n) for n in range(200))) == list(range(200))
