"""The PUT limit: it finds where a service stops being quicker, halves once for a storm, and leaks nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boss_ingest.engine.limiter import PutLimiter
from tests.doubles.simulated_service import SimulatedService, upload
from tests.doubles.warped_time import in_warped_time

MOST = 64


def now_s() -> float:
    return asyncio.get_running_loop().time()


def mixed_sizes(dice: random.Random) -> int:
    """1 kB to 2 MB, as cuboids of a segmentation are."""
    return int(10 ** dice.uniform(3, 6.3))


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


@pytest.mark.parametrize("path_s", [0.002, 0.04, 0.2])
@in_warped_time
async def test_without_a_queue_the_full_limit_is_reached_in_a_few_round_trips_and_kept(path_s: float) -> None:
    service, limiter = SimulatedService(path_s), PutLimiter(MOST)
    start_s = now_s()
    await upload(service, limiter, for_s=6 * path_s)
    assert limiter.limit == MOST
    await upload(service, limiter, for_s=200 * path_s)
    assert limiter.limit == MOST
    assert service.rate(start_s + 6 * path_s, start_s + 200 * path_s) > 0.99 * MOST / path_s


@in_warped_time
async def test_answers_that_are_slow_now_and_then_by_nature_are_no_queue() -> None:
    service = SimulatedService(0.02, jitter=lambda dice: dice.lognormvariate(-3.5, 1.0))
    limits = await limits_during(service, for_s=20, sizes=mixed_sizes)
    assert min(limits[5:]) == MOST


@in_warped_time
async def test_a_pause_of_our_own_is_no_queue() -> None:
    service = SimulatedService(0.04)

    async def pause_now_and_then() -> None:
        while True:
            await asyncio.sleep(3.0)
            service.stall(0.3)

    pauses = asyncio.create_task(pause_now_and_then())
    limits = await limits_during(service, for_s=20)
    pauses.cancel()
    assert min(limits[5:]) == MOST


@pytest.mark.parametrize(
    ("work_s", "knee"), [(0.002, 21), (0.005, 9), (0.02, 3)], ids=["500 a second", "200", "50"]
)
@in_warped_time
async def test_a_service_of_fixed_rate_gets_about_what_it_works_on_at_a_time(
    work_s: float, knee: int
) -> None:
    service, limiter = SimulatedService(0.04, lambda _: work_s), PutLimiter(256)
    start_s = now_s()
    await upload(service, limiter, for_s=40, clients=300)
    assert service.rate(start_s + 5, start_s + 40) > 0.97 / work_s
    assert service.latency_s(start_s + 5) < 4 * 0.04 + 12 * work_s, "as with four times the knee, or a few"


@in_warped_time
async def test_a_thin_line_is_found_whatever_the_sizes() -> None:
    service = SimulatedService(0.04, lambda size_bytes: size_bytes / 50e6)
    start_s = now_s()
    limits = await limits_during(service, for_s=60, sizes=mixed_sizes)
    assert max(limits[30:]) < MOST
    full = SimulatedService(0.04, lambda size_bytes: size_bytes / 50e6)
    full_start_s = now_s()
    await upload(full, _Unlimited(MOST), for_s=60, sizes=mixed_sizes)
    assert service.rate(start_s, start_s + 60) > 0.95 * full.rate(full_start_s, full_start_s + 60)


@in_warped_time
async def test_a_service_that_gets_slow_is_given_less_within_two_seconds_and_more_when_it_recovers() -> None:
    service = SimulatedService(0.04, lambda _: 0.0001)

    async def turn() -> None:
        await asyncio.sleep(8)
        service.seconds_of = lambda _: 0.005
        await asyncio.sleep(8)
        service.seconds_of = lambda _: 0.0001

    turning = asyncio.create_task(turn())
    limits = await limits_during(service, for_s=20)
    await turning
    assert limits[7] == MOST
    assert max(limits[10:16]) <= MOST / 2
    assert limits[19] == MOST


@in_warped_time
async def test_a_longer_way_to_the_service_is_learnt() -> None:
    service = SimulatedService(0.04)

    async def turn() -> None:
        await asyncio.sleep(5)
        service.path_s = 0.25

    turning = asyncio.create_task(turn())
    limits = await limits_during(service, for_s=30)
    await turning
    assert limits[4] == limits[25] == limits[-1] == MOST


async def limits_during(
    service: SimulatedService, *, for_s: float, sizes: Callable[[random.Random], int] = lambda _: 1000
) -> list[int]:
    """The limit at every second of an upload."""
    limiter, limits = PutLimiter(MOST), []

    async def watch() -> None:
        while True:
            limits.append(limiter.limit)
            await asyncio.sleep(1.0)

    watching = asyncio.create_task(watch())
    await upload(service, limiter, for_s=for_s, sizes=sizes)
    watching.cancel()
    return limits


class _Unlimited(PutLimiter):
    """As if latency were no matter."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._limit = float(most)

    def ok(self, *, began_s: float, size_bytes: int) -> None: ...


async def grown(limiter: PutLimiter, puts: int = 2000) -> PutLimiter:
    """After so many PUTs that all went well and had to wait for each other."""

    async def put() -> None:
        async with limiter:
            began_s = now_s()
            await asyncio.sleep(0)
            limiter.ok(began_s=began_s, size_bytes=1)

    await asyncio.gather(*(put() for _ in range(puts)))
    return limiter


async def test_puts_throttled_together_halve_the_limit_once() -> None:
    limiter = await grown(PutLimiter(MOST))
    for _ in range(20):
        limiter.throttled()
    assert limiter.limit == 32


@in_warped_time
async def test_after_a_storm_half_of_what_was_is_there_at_once_and_the_rest_by_and_by() -> None:
    limiter = await grown(PutLimiter(MOST))
    for _ in range(10):
        limiter.throttled()
        await asyncio.sleep(1.5)
    assert limiter.limit == 1
    await grown(limiter, puts=100)
    assert 32 <= limiter.limit <= 35
    await grown(limiter)
    assert limiter.limit == MOST


@in_warped_time
async def test_a_level_that_s3_refuses_again_is_neared_slowly() -> None:
    limiter = await grown(PutLimiter(MOST))
    limiter.throttled()
    await asyncio.sleep(1.5)
    await grown(limiter, puts=100)
    limiter.throttled()
    halved = limiter.limit
    await asyncio.sleep(1.5)
    await grown(limiter, puts=2 * halved)
    assert limiter.limit <= halved + 3


async def test_the_limit_never_falls_below_one() -> None:
    limiter = PutLimiter(1)
    limiter.throttled()
    async with asyncio.timeout(60), limiter:
        assert limiter.limit == 1


async def test_a_cancelled_wait_does_not_take_a_place() -> None:
    limiter = PutLimiter(1)
    async with limiter:
        waiting = asyncio.create_task(limiter.__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with asyncio.timeout(60), limiter:
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
    async with asyncio.timeout(60), limiter:
        pass


@given(
    most=st.integers(1, 20),
    plans=st.lists(
        st.tuples(
            st.floats(0.0, 5.0),  # when it comes
            st.sampled_from(["ok", "slow", "throttled", "failed"]),
            st.none() | st.floats(0.0, 3.0),  # when it is cancelled, if it is
        ),
        max_size=60,
    ),
)
def test_whatever_happens_the_limit_holds_and_everyone_gets_a_turn(
    most: int, plans: list[tuple[float, str, float | None]]
) -> None:
    async def all_of_them() -> None:
        limiter, in_flight, done = PutLimiter(most), 0, 0

        async def put(comes_s: float, end: str) -> None:
            nonlocal in_flight, done
            await asyncio.sleep(comes_s)
            async with limiter:
                in_flight += 1
                try:
                    assert in_flight <= most
                    began_s = now_s()
                    await asyncio.sleep(2.0 if end == "slow" else 0.01)
                    if end == "throttled":
                        limiter.throttled()
                    elif end != "failed":
                        limiter.ok(began_s=began_s, size_bytes=1000)
                finally:
                    in_flight -= 1
            done += 1
            assert 1 <= limiter.limit <= most

        puts = [asyncio.create_task(put(comes_s, end)) for comes_s, end, _ in plans]
        for (_, _, cancelled_s), task in zip(plans, puts, strict=True):
            if cancelled_s is not None:
                asyncio.get_running_loop().call_later(cancelled_s, task.cancel)
        ends = await asyncio.gather(*puts, return_exceptions=True)
        assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ends)
        assert done == sum(end is None for end in ends)
        assert in_flight == 0
        await grown(limiter, puts=3)

    in_warped_time(all_of_them)()
