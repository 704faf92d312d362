"""The PUT limit: halved once for each SlowDown storm, grown again slowly, never leaked."""

import asyncio

import pytest

from boss_ingest.engine.limiter import PutLimiter


async def test_never_more_in_flight_than_the_limit() -> None:
    limiter = PutLimiter(3)
    in_flight = peak = 0

    async def put() -> None:
        nonlocal in_flight, peak
        async with limiter:
            in_flight += 1
            peak = max(peak, in_flight)
            await asyncio.sleep(0)
            in_flight -= 1

    await asyncio.gather(*(put() for _ in range(50)))
    assert peak == 3


async def test_puts_throttled_together_halve_the_limit_once() -> None:
    limiter = PutLimiter(64)
    for _ in range(20):
        limiter.throttled()
    assert limiter.limit == 32


async def test_accepted_puts_raise_the_limit_again_up_to_the_most() -> None:
    limiter = PutLimiter(8)
    limiter.throttled()
    assert limiter.limit == 4
    for _ in range(1000):
        limiter.ok()
    assert limiter.limit == 8


async def test_the_limit_never_falls_below_one() -> None:
    limiter = PutLimiter(1)
    limiter.throttled()
    async with asyncio.timeout(1), limiter:
        assert limiter.limit == 1


async def test_a_cancelled_wait_does_not_take_a_place() -> None:
    limiter = PutLimiter(1)
    async with limiter:
        waiting = asyncio.create_task(limiter.__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with asyncio.timeout(1), limiter:
        pass


async def test_many_that_are_cancelled_together_harm_neither_each_other_nor_the_limit() -> None:
    """As when Ctrl-C, or a queue that is gone, ends everything at one time."""
    limiter = PutLimiter(1)
    async with limiter:
        waiting = [asyncio.create_task(limiter.__aenter__()) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    async with asyncio.timeout(1), limiter:
        pass
