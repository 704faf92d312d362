"""Numbers and events in a person's words."""

from __future__ import annotations

import json
import typing

import pytest

from boss_ingest.boss.keys import ChunkKey, LookupIds, TileKey
from boss_ingest.cli.pace import Pace
from boss_ingest.cli.words import count, counts, duration, fields, sentence, size, task_name, three_digits
from boss_ingest.engine import events
from boss_ingest.engine.tally import Tally
from boss_ingest.errors import SourceError, TransientError


@pytest.mark.parametrize(
    ("number_bytes", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (4_194_304, "4.19 MB"),
        (999_499, "999 kB"),
        (999_500, "1 MB"),
        (999_600_000, "1 GB"),
        (2.5e12, "2.5 TB"),
        (1.5e16, "15,000 TB"),
    ],
)
def test_a_size_has_three_digits_and_a_decimal_unit(number_bytes: float, words: str) -> None:
    assert size(number_bytes) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (123, "2 min 03 s"),
        (3900, "1 h 05 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_thousands_stand_apart_and_one_is_singular() -> None:
    assert count(1_234_567) == "1,234,567"
    assert [count(1, "task"), count(2, "task"), count(1, "try"), count(0, "try")] == [
        "1 task",
        "2 tasks",
        "1 try",
        "0 tries",
    ]


def test_a_pace_of_thousands_is_written_out() -> None:
    assert [three_digits(number) for number in (0, 0.01234, 12.345, 999.4, 1234.5)] == [
        "0",
        "0.0123",
        "12.3",
        "999",
        "1,234",
    ]


def test_every_event_is_fit_for_programs() -> None:
    error = SourceError("z0007.png cannot be read", hint="restore it")
    for kind in typing.get_args(events.Event):
        given = {"error": error, "wait_s": 1.5, "key": "a&b"}
        values = [given.get(name, 7) for name in kind.__dataclass_fields__]
        event = kind(*values)
        told = json.loads(json.dumps(fields(event)))
        assert told["event"] == kind.__name__
        assert list(told) == ["event", *kind.__dataclass_fields__]


def test_a_task_that_is_set_aside_is_told_with_its_key_and_the_way_out() -> None:
    event = events.SetAside("a&b", "m-1", 3, SourceError("z0007.png cannot be read", hint="restore it"))
    text = sentence(event)
    assert text is not None
    assert all(part in text for part in ("3 tries", "a&b", "z0007.png cannot be read", "restore it"))


def test_a_task_is_named_by_its_place() -> None:
    ids = LookupIds(1, 2, 3)
    assert task_name(TileKey(ids, 0, 4, 3, 412, 0).encode()) == "tile z=412 y=3 x=4"
    assert task_name(TileKey(ids, 0, 4, 3, 412, 5).encode()) == "tile z=412 y=3 x=4 t=5"
    assert task_name(ChunkKey(1, ids, 0, 4, 3, 2, 0).encode()) == "chunk z=2 y=3 x=4"
    assert task_name('{"a": "message"}') == '{"a": "message"}'


def test_one_is_singular() -> None:
    told = [
        sentence(events.WaitingForOthers(1)),
        sentence(events.Uploading(4, 1)),
        sentence(events.Stopping(1)),
        sentence(events.SetAside("k", "m", 1, SourceError("gone"))),
    ]
    assert not [text for text in told if text and ("1 tasks" in text or "1 tries" in text)]


def test_a_retry_shows_in_the_counts_only() -> None:
    assert sentence(events.Retrying("PUT a", SourceError("x"), 1.0)) is None


def test_a_boss_that_is_silent_is_told_with_its_last_answer_and_how_long_it_is_waited_for() -> None:
    error = TransientError("completing job 7: the Boss answered HTTP 502")
    assert sentence(events.BossSilent("the Boss", error, 8.0, 95.0, 900.0)) == (
        "no usable answer from the Boss for 1 min 35 s (completing job 7: the Boss answered HTTP 502); "
        "asking again for up to 13 min 25 s"
    )


def test_counts_leave_out_what_is_zero() -> None:
    tally = Tally(total=10, stored=4, in_work=2)
    assert counts(tally, Pace(tally), "tiles") == ["0 tiles/s", "0 B/s", "2 in flight"]
    tally.retries = 3
    assert "3 retries" in counts(tally, Pace(tally), "tiles")
    tally.retries = 1
    assert "1 retry" in counts(tally, Pace(tally), "tiles")
