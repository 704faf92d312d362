"""The report: a line for everything that did not go as usual, whatever happens to its writer and its disk."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from boss_ingest.boss.keys import ChunkKey, LookupIds, TileKey
from boss_ingest.engine import events, report
from boss_ingest.engine.aside import Aside
from boss_ingest.engine.report import Report
from boss_ingest.engine.report_files import ReportFiles, outstanding
from boss_ingest.errors import MessageError, RefusedError, SourceError

IDS = LookupIds(4, 9, 27)
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
FULL = Path("/dev/full")


def tile(z: int) -> str:
    return TileKey(IDS, 0, 3, 2, z, 1).encode()


def aside(z: int, why: str = "it is truncated") -> events.SetAside:
    error = SourceError(f"s{z}.png: {why}", hint="export it again")
    error.source = f"s{z}.png"
    return events.SetAside(tile(z), f"message-{z}", 3, error, back_s=150.0)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def written(path: Path, *noted: events.Event, job_id: int = 7, now: datetime = NOW) -> Report:
    one = Report(path, job_id, now=lambda: now)
    for event in noted:
        assert one.note(event) is None
    one.close()
    return one


def test_a_task_that_was_set_aside_is_told_with_all_that_is_known(tmp_path: Path) -> None:
    written(tmp_path / "new/folder/r.jsonl", aside(412))
    (line,) = lines(tmp_path / "new/folder/r.jsonl")
    assert line == {
        "time": "2026-03-01T12:00:00.000Z",
        "job": 7,
        "event": "set aside",
        "key": tile(412),
        "message_id": "message-412",
        "x": 3,
        "y": 2,
        "z": 412,
        "t": 1,
        "source": "s412.png",
        "error": "SourceError",
        "what": "s412.png: it is truncated",
        "hint": "export it again",
        "attempts": 3,
        "back_at": "2026-03-01T12:02:30.000Z",
    }


def test_every_other_kind_has_its_line_and_what_is_usual_has_none(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    chunk = ChunkKey(1, IDS, 0, 5, 6, 7, 0).encode()
    written(
        path,
        events.Substituted(tile(1), "s1.png is missing", "m-1"),
        events.Substituted(chunk, "nothing at 7, 6, 5", "m-2", left_out=True),
        events.Converted(tile(3), "m-3"),
        events.Mended(tile(4), "m-4"),
        events.SetAside("{no json", "m-5", 1, MessageError("it is no task")),
        events.SetAside(tile(6), "m-6", 1, RefusedError("EntityTooLarge")),
        events.Uploading(7, 12),
        events.Retrying("PUT", SourceError("x"), 1.0),
    )
    told = lines(path)
    assert [line["event"] for line in told] == [
        "made up", "left out", "converted", "stored", "set aside", "set aside"
    ]  # fmt: skip
    assert (told[0]["what"], told[1]["z"], told[4]["key"]) == ("s1.png is missing", 7, "{no json")
    assert "x" not in told[4]


def test_nothing_to_report_makes_no_file(tmp_path: Path) -> None:
    written(tmp_path / "r.jsonl", events.Drained(7))
    assert list(tmp_path.iterdir()) == []


def test_a_line_torn_by_a_killed_writer_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    written(path, aside(1), aside(2))
    path.write_bytes(path.read_bytes()[:-40])
    assert outstanding([path], 7).keys == {tile(1)}
    written(path, aside(3))
    assert outstanding([path], 7).keys == {tile(1), tile(3)}


def test_what_is_in_the_file_before_its_writer_is_killed_stays(tmp_path: Path) -> None:
    """No buffer of ours holds a line back: each is the system's when `note` returns."""
    one = Report(tmp_path / "r.jsonl", 7)
    one.note(aside(1))
    assert len(lines(tmp_path / "r.jsonl")) == 1
    one.close()


@pytest.mark.skipif(not FULL.exists(), reason="there is no disk that is always full")
def test_a_full_disk_is_told_once_and_stops_nothing() -> None:
    one = Report(FULL, 7)
    told = one.note(aside(1))
    assert told == events.NotRecorded("/dev/full", "No space left on device")
    assert one.note(aside(2)) is None
    assert one.lost
    one.close()


def test_a_folder_that_cannot_be_written_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    one = Report(tmp_path / "file/r.jsonl", 7)
    told = one.note(aside(1))
    assert isinstance(told, events.NotRecorded)
    assert one.note(aside(2)) is None
    (tmp_path / "file").unlink()
    assert one.note(aside(3)) is None
    assert outstanding([tmp_path / "file/r.jsonl"], 7).keys == {tile(3)}
    one.close()


def test_a_job_that_converts_everything_does_not_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_MOST_CONVERTED", 3)
    written(tmp_path / "r.jsonl", *(events.Converted(tile(z), f"m-{z}") for z in range(10)), aside(4))
    told = lines(tmp_path / "r.jsonl")
    assert [line["event"] for line in told] == ["converted"] * 3 + ["set aside"]
    assert told[2]["what"] == "more are converted, and not listed here"


def test_what_was_stored_since_is_not_outstanding_in_whichever_machines_report(tmp_path: Path) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    written(one, aside(1), aside(2), aside(3))
    written(two, events.Mended(tile(1), "m"), events.Mended(tile(2), "m"), now=NOW + timedelta(hours=1))
    written(one, aside(2, "again"), now=NOW + timedelta(hours=2))
    written(one, aside(9), job_id=8)
    found = outstanding([two, one], 7)
    assert found.keys == {tile(2), tile(3)}
    assert {line["what"] for line in found.some} == {"s2.png: again", "s3.png: it is truncated"}
    assert found.back_at == NOW + timedelta(hours=2, seconds=150)


def test_a_report_full_of_nonsense_is_read_for_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    written(path, aside(1))
    odd = b'null\n[1]\n{"job": 7}\n{"job": 7, "event": "set aside", "key": 5}\n\xff\xfe\n\n' + b"[" * 100_000
    path.write_bytes(odd + b"\n" + path.read_bytes())
    assert outstanding([path], 7).keys == {tile(1)}


def test_each_machine_has_a_report_of_its_own_and_each_boss(tmp_path: Path) -> None:
    files = ReportFiles(tmp_path, "api.bossdb.io")
    other = ReportFiles(tmp_path, "api")
    written(files.own(7), aside(1))
    (tmp_path / "7@api.bossdb.io@another.jsonl").write_text("")
    written(other.own(7), aside(2))
    assert len(files.every(7)) == 2
    assert files.own(7) in files.every(7)
    assert other.every(7) == [other.own(7)]
    assert ReportFiles(tmp_path, "api", named=tmp_path / "mine.jsonl").every(7) == []


def test_the_reports_of_an_earlier_job_of_that_number_are_put_away_not_lost(tmp_path: Path) -> None:
    files = ReportFiles(tmp_path, "boss")
    written(files.own(1), aside(1), job_id=1)
    files.put_away(1)
    assert files.every(1) == []
    assert [path.suffix for path in tmp_path.iterdir()] == [".old"]


def test_a_hundred_thousand_that_failed_take_few_bytes_each() -> None:
    """10 bytes more a task than its message id takes in a set; the errors are in the report, not here."""
    some = Aside()
    tracemalloc.start()
    for z in range(100_000):
        some.add(events.SetAside(tile(z), f"{z:036}", 3, SourceError(f"slice {z} is missing " * 20)))
    taken_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(some) == 100_000
    assert len(some.first) == 20
    assert taken_bytes < 100_000 * 180


def test_a_time_without_a_zone_stops_nobody(tmp_path: Path) -> None:
    """As somebody may write who edits a report."""
    path = tmp_path / "r.jsonl"
    written(path, aside(1), aside(2), aside(3))
    text = path.read_text().replace("Z", "", 2).replace('02:30.000Z"', '02:30.000"', 1)
    path.write_text(text)
    assert outstanding([path], 7).keys == {tile(1), tile(2), tile(3)}
