"""Pace and what is done: from counts, never more than is true."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boss_ingest.cli.pace import Pace, done_by_all
from boss_ingest.engine.aside import Aside
from boss_ingest.engine.events import SetAside
from boss_ingest.engine.tally import Tally
from boss_ingest.errors import SourceError


def aside(number: int) -> Aside:
    some = Aside()
    for n in range(number):
        some.add(SetAside(str(n), str(n), 1, SourceError("gone")))
    return some


@given(
    total=st.integers(0, 50),
    visible=st.none() | st.integers(0, 60),
    in_flight=st.integers(0, 60),
    stored=st.integers(0, 50),
    in_work=st.integers(0, 50),
    set_aside=st.integers(0, 50),
)
def test_what_is_done_lies_between_what_we_stored_and_the_total(
    total: int, visible: int | None, in_flight: int, stored: int, in_work: int, set_aside: int
) -> None:
    stored = min(stored, total)
    tally = Tally(total, visible, in_flight, stored=stored, in_work=in_work, set_aside=aside(set_aside))
    done = done_by_all(tally)
    assert stored <= done <= max(total, stored)
    if visible is not None and done > stored:
        assert done <= total - visible - in_flight
        assert done <= total - in_work - set_aside


def test_others_count_once_the_queue_has_told_of_them() -> None:
    tally = Tally(total=100, stored=10, in_work=5)
    assert done_by_all(tally) == 10
    tally.left_visible, tally.left_in_flight = 40, 20
    assert done_by_all(tally) == 40


def test_the_pace_is_that_of_the_last_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 0.0
    monkeypatch.setattr("boss_ingest.engine.tally.time.monotonic", lambda: now_s)
    tally = Tally(total=1000)
    pace = Pace(tally)
    for second in range(61):
        now_s = float(second)
        tally.stored = second * 2 if second <= 30 else 60 + (second - 30) * 10
        tally.stored_bytes = tally.stored * 1000
        pace.look()
    assert pace.tasks_per_s == pytest.approx(10.0)
    assert pace.bytes_per_s == pytest.approx(10_000.0)
    assert pace.left_s == pytest.approx((1000 - 360) / 10)


def test_without_a_pace_there_is_no_time_left_to_tell() -> None:
    tally = Tally(total=10)
    pace = Pace(tally)
    assert pace.left_s is None
    pace.look()
    assert pace.left_s is None
    tally.stored = 10
    assert pace.left_s is None
