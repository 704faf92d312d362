"""Gathering of single entries into requests of ten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boss_ingest.aws.batcher import Batcher
from boss_ingest.aws.queue import BATCH_BYTES
from boss_ingest.errors import RefusedError, ServiceError, TransientError

if TYPE_CHECKING:
    from collections.abc import Sequence

FOR_EVER_S = 3600.0


class Service:
    """Records each batch; `refuses` fails single entries; a cleared `open` holds answers back."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.refuses: set[str] = set()
        self.open = asyncio.Event()
        self.open.set()
        self.called = asyncio.Event()
        self.at_once = self.most_at_once = 0

    async def flush(self, entries: Sequence[str]) -> list[ServiceError | None]:
        self.batches.append(list(entries))
        self.called.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.open.wait()
        finally:
            self.at_once -= 1
        return [RefusedError(entry) if entry in self.refuses else None for entry in entries]


async def submit_all(
    batcher: Batcher[str], entries: Sequence[str], size_bytes: int = 0
) -> list[BaseException | None]:
    return await asyncio.gather(
        *(batcher.submit(entry, size_bytes=size_bytes) for entry in entries), return_exceptions=True
    )


async def test_a_full_batch_goes_at_once() -> None:
    service = Service()
    batcher = Batcher(service.flush, linger_s=FOR_EVER_S)
    entries = [str(number) for number in range(20)]
    assert await submit_all(batcher, entries) == [None] * 20
    assert service.batches == [entries[:10], entries[10:]]


async def test_a_lone_entry_goes_after_the_linger() -> None:
    service = Service()
    await Batcher(service.flush, linger_s=0.001).submit("alone")
    assert service.batches == [["alone"]]


async def test_each_caller_gets_its_own_outcome() -> None:
    service = Service()
    service.refuses = {"3"}
    outcomes = await submit_all(Batcher(service.flush), [str(number) for number in range(10)])
    assert isinstance(outcomes.pop(3), RefusedError)
    assert outcomes == [None] * 9


@pytest.mark.parametrize("error", [TransientError("no answer"), RuntimeError("a bug")])
async def test_a_request_that_fails_fails_for_all_of_its_callers(error: Exception) -> None:
    async def flush(_entries: Sequence[str]) -> list[ServiceError | None]:
        raise error

    assert await submit_all(Batcher(flush), ["a", "b"]) == [error, error]


async def test_an_answer_of_the_wrong_length_hangs_nobody() -> None:
    async def flush(_entries: Sequence[str]) -> list[ServiceError | None]:
        return [None]

    assert all(isinstance(outcome, ValueError) for outcome in await submit_all(Batcher(flush), ["a", "b"]))


async def test_a_batch_stays_below_the_limit_of_bytes() -> None:
    service = Service()
    batcher = Batcher(service.flush, linger_s=FOR_EVER_S)
    await submit_all(batcher, list("abcdefgh"), size_bytes=BATCH_BYTES // 4)
    assert service.batches == [list("abcd"), list("efgh")]


async def test_an_entry_above_the_limit_goes_alone() -> None:
    service = Service()
    await Batcher(service.flush, linger_s=FOR_EVER_S).submit("huge", size_bytes=BATCH_BYTES + 1)
    assert service.batches == [["huge"]]


async def test_entries_gather_while_all_flights_are_under_way() -> None:
    service = Service()
    service.open.clear()
    batcher = Batcher(service.flush, linger_s=0, flights=2)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        for number in range(30):
            group.create_task(batcher.submit(str(number)))
            service.called.clear()
            if len(service.batches) < 2:
                await service.called.wait()
        service.open.set()
    assert [len(batch) for batch in service.batches] == [1, 1, 10, 10, 8]
    assert service.most_at_once == 2


async def test_a_caller_cancelled_before_the_request_takes_only_its_own_entry_back() -> None:
    service = Service()
    batcher = Batcher(service.flush, linger_s=FOR_EVER_S)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        tasks = [group.create_task(batcher.submit(str(number))) for number in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        await asyncio.sleep(0)
        await batcher.close()
    assert service.batches == [["0", "2"]]


async def test_a_caller_cancelled_during_the_request_does_not_end_it() -> None:
    service = Service()
    service.open.clear()
    batcher = Batcher(service.flush, linger_s=0)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        cancelled, other = (group.create_task(batcher.submit(name)) for name in ("cancelled", "other"))
        await service.called.wait()
        cancelled.cancel()
        await asyncio.sleep(0)
        service.open.set()
        await other
    assert cancelled.cancelled()


async def test_closing_sends_what_waits_and_takes_no_more() -> None:
    service = Service()
    batcher = Batcher(service.flush, linger_s=FOR_EVER_S)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(batcher.submit("last"))
        await asyncio.sleep(0)
        await batcher.close()
        assert waiting.done() or service.batches == [["last"]]
    with pytest.raises(RuntimeError, match="closed"):
        await batcher.submit("late")


async def test_closing_does_not_wait_for_ever() -> None:
    service = Service()
    service.open.clear()
    batcher = Batcher(service.flush, linger_s=0, flights=1, drain_s=0.05)
    callers = [asyncio.create_task(batcher.submit(str(number))) for number in range(25)]
    await service.called.wait()
    await batcher.close()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    assert service.at_once == 0


async def test_closing_does_not_wait_for_what_all_callers_were_cancelled_on() -> None:
    """As after a second Ctrl-C, while SQS hangs."""
    service = Service()
    service.open.clear()
    batcher = Batcher(service.flush, linger_s=0, flights=2, drain_s=3600.0)
    callers = [asyncio.create_task(batcher.submit(str(number))) for number in range(45)]
    await service.called.wait()
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    async with asyncio.timeout(10):
        await batcher.close()
    assert service.at_once == 0


@given(
    sizes=st.lists(st.integers(0, BATCH_BYTES + 10), max_size=60),
    flights=st.integers(1, 4),
    refused=st.sets(st.integers(0, 59)),
    cancelled=st.sets(st.integers(0, 59)),
)
def test_every_entry_goes_once_within_the_limits_and_is_answered(
    sizes: list[int], flights: int, refused: set[int], cancelled: set[int]
) -> None:
    async def run() -> None:
        service = Service()
        service.refuses = {str(number) for number in refused}
        batcher = Batcher(service.flush, linger_s=0, flights=flights)
        tasks = [
            asyncio.create_task(batcher.submit(str(number), size_bytes=size))
            for number, size in enumerate(sizes)
        ]
        for number in cancelled & set(range(len(sizes))):
            tasks[number].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        gone = [int(entry) for batch in service.batches for entry in batch]
        assert sorted(gone) == [number for number in range(len(sizes)) if number not in cancelled]
        for batch in service.batches:
            assert len(batch) <= 10
            assert len(batch) == 1 or sum(sizes[int(entry)] for entry in batch) <= BATCH_BYTES
        assert service.most_at_once <= flights
        for number, outcome in enumerate(outcomes):
            expected = asyncio.CancelledError if number in cancelled else RefusedError
            assert isinstance(outcome, expected) if number in cancelled | refused else outcome is None

    asyncio.run(run())
