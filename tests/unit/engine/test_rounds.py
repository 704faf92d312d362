"""A job that is sent back to uploading goes on as long as that helps, and not for ever."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boss_ingest.engine.rounds import Rounds
from boss_ingest.engine.tally import Tally
from boss_ingest.errors import ExitCode, GaveUpError
from tests.doubles.impatient_stop import ImpatientStop


async def go_through(stored: list[int], stop: ImpatientStop) -> int:
    """How many rounds with so many tasks each were gone through before it was given up."""
    gone: list[int] = []
    with suppress(GaveUpError):
        await all_rounds(stored, stop, gone)
    return len(gone)


async def all_rounds(stored: list[int], stop: ImpatientStop, gone: list[int]) -> None:
    tally = Tally()
    rounds = Rounds(7, tally)
    for tasks in stored:
        tally.stored += tasks
        await rounds.once_more(stop)
        gone.append(tasks)


async def test_as_long_as_less_is_missing_every_round_is_worth_it() -> None:
    stop = ImpatientStop()
    assert await go_through([1000, *range(500, 0, -1)], stop) == 501
    assert stop.slept_s == []


async def test_the_same_tasks_again_and_again_are_given_up() -> None:
    assert await go_through([1000, *[5] * 100], ImpatientStop()) == 11


async def test_a_queue_that_is_said_to_hold_tasks_but_gives_none_is_asked_for_minutes_and_given_up() -> None:
    """SQS's counts are about a minute behind."""
    stop = ImpatientStop()
    assert await go_through([1000, *[0] * 100], stop) == 11
    assert stop.slept_s == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


async def test_giving_up_says_what_happened_and_where_to_look() -> None:
    with pytest.raises(GaveUpError, match="asked 10 times in a row for 3 tasks") as caught:
        await all_rounds([3] * 20, ImpatientStop(), [])
    assert caught.value.exit_code is ExitCode.GAVE_UP
    assert "status --job-id 7" in caught.value.hint


@given(st.lists(st.integers(0, 3), min_size=60, max_size=60))
def test_no_sequence_of_rounds_goes_on_for_ever(stored: list[int]) -> None:
    """However few tasks each has: at most 4 times it can be fewer than ever before."""
    assert asyncio.run(go_through(stored, _Unhurried())) <= 4 * 11


class _Unhurried(ImpatientStop):
    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
