"""The 14 days of a job: when they end, and whether the work fits into them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from boss_ingest.boss.jobs import JobState, JobSummary
from boss_ingest.engine.events import Event, WontFit
from boss_ingest.engine.expiry import Forecast, expiry_of
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.tally import Tally
from boss_ingest.errors import GaveUpError

CREATED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Jobs:
    """A Boss that lists one job, or fails to."""

    def __init__(self, created: datetime | None, error: Exception | None = None) -> None:
        self._jobs = [JobSummary(7, "c", "e", "ch", JobState.UPLOADING, "tile", created)]
        self._error = error

    async def jobs(self) -> list[JobSummary]:
        if self._error:
            raise self._error
        return self._jobs


@pytest.mark.parametrize(
    ("boss", "recorded", "expires"),
    [
        (Jobs(CREATED), "2026-03-02T12:00:00+00:00", CREATED + timedelta(days=14)),
        (Jobs(None), "2026-03-02T12:00:00+00:00", CREATED + timedelta(days=15)),
        (Jobs(None, GaveUpError("it is away")), "2026-03-02T13:00:00+01:00", CREATED + timedelta(days=15)),
        (Jobs(None), "", None),
        (Jobs(None), "yesterday", None),
    ],
)
async def test_what_the_boss_tells_wins_over_what_this_machine_remembers(
    boss: Any, recorded: str, expires: datetime | None
) -> None:
    assert await expiry_of(boss, 7, stop=Stop(), recorded=recorded) == expires


def warnings(*looks: tuple[float, int], lives_s: float) -> list[Event]:
    """What is said when so many tasks are left at such a time."""
    told: list[Event] = []
    tally, clock_s = Tally(), [0.0]
    forecast = Forecast(
        CREATED + timedelta(seconds=lives_s),
        tally,
        told.append,
        now=lambda: CREATED + timedelta(seconds=clock_s[0]),
    )
    for at_s, left in looks:
        clock_s[0] = at_s
        tally.left_visible, tally.left_in_flight = left, 0
        forecast.look()
    return told


def test_work_that_will_not_fit_is_told_once_with_how_long_it_takes() -> None:
    looks = [(0.0, 10_000), (500.0, 9_900), (1000.0, 9_800), (1500.0, 9_700)]
    (told,) = warnings(*looks, lives_s=40_000.0)
    assert told == WontFit(needed_s=9_900 * 5.0, left_s=39_500.0)


@pytest.mark.parametrize(
    "looks",
    [
        [(0.0, 10_000), (10.0, 9_999), (299.0, 9_990)],
        [(0.0, 10_000), (1000.0, 9_981)],
        [(0.0, 10_000), (1000.0, 12_000)],
        [(0.0, 10_000), (1000.0, 5_000)],
    ],
    ids=["too early", "too few", "more than before", "it fits"],
)
def test_nothing_is_told_of_a_pace_that_is_not_known_or_is_enough(looks: list[tuple[float, int]]) -> None:
    assert warnings(*looks, lives_s=40_000.0) == []
