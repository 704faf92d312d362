"""A million failures do not fill a terminal."""

from __future__ import annotations

from boss_ingest.cli.sparing import IN_FULL, Sparing
from boss_ingest.engine import events
from boss_ingest.errors import SourceError


def test_the_first_are_told_in_full_then_once_that_there_are_more() -> None:
    sparing = Sparing()
    told = [
        sparing.sentence(events.SetAside(f"k{n}", f"m{n}", 3, SourceError(f"s{n}.png is missing")))
        for n in range(1000)
    ]
    said = [text for text in told if text]
    assert len(said) == IN_FULL + 1
    assert "s19.png is missing" in said[-2]
    assert "report" in said[-1]
    assert "s20.png" not in said[-1]


def test_each_kind_has_its_own_measure_and_rare_ones_none() -> None:
    sparing = Sparing()
    for n in range(100):
        sparing.sentence(events.Substituted(f"k{n}", "it is missing"))
    assert sparing.sentence(events.Mended("k", "m")) is not None
    assert [sparing.sentence(events.Completed(7)) for _ in range(100)].count(None) == 0
