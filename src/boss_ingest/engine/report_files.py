"""Where the reports of a job are, and what they say is still set aside.

One report a job and machine: many machines may share a home directory, and none can append safely to a
file that another one writes.
"""

from __future__ import annotations

import heapq
import json
import platform
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from boss_ingest.engine.job_record import file_name
from boss_ingest.engine.report import SET_ASIDE, STORED

_TOLD = 20  # in full …
_REMEMBERED = 1000  # … of the last so many that are not stored by the end
_LONGEST_LINE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """The reports of the jobs on one Boss: in `folder`, or the one file that the user `named`.

    `place` is the Boss, or the folder of a local one.
    """

    folder: Path
    place: str
    named: Path | None = None

    def own(self, job_id: int) -> Path:
        """The one that this machine writes."""
        machine = platform.node() or "here"
        return self.named or self.folder / f"{file_name(job_id, self.place, machine)}.jsonl"

    def every(self, job_id: int) -> list[Path]:
        """All there are of a job. Raises OSError when the folder cannot be read."""
        if self.named is not None:
            return [self.named] if self.named.is_file() else []
        found = self.folder.glob(f"{file_name(job_id, self.place)}@*.jsonl")
        return sorted(path for path in found if path.is_file())

    def put_away(self, job_id: int) -> None:
        """Rename those of an earlier job of this number, as there is when a local Boss was made anew.

        Raises OSError.
        """
        if self.named is None:
            for path in self.every(job_id):
                path.replace(path.with_suffix(".jsonl.old"))


@dataclass(slots=True)
class Outstanding:
    """Tasks set aside and not stored since: all keys, and the latest few lines of the reports in full."""

    keys: set[str] = field(default_factory=set)
    some: list[dict[str, Any]] = field(default_factory=list)
    back_at: datetime | None = None  # when the last of their messages comes back, if it was not leased again


def outstanding(paths: Iterable[Path], job_id: int) -> Outstanding:
    """What the reports of a job say is still set aside. Raises OSError when one cannot be read."""
    found = Outstanding()
    recent: OrderedDict[str, dict[str, Any]] = OrderedDict()
    for line in _lines(paths, job_id):
        key = line["key"]
        if line["event"] == SET_ASIDE:
            found.keys.add(key)
            found.back_at = _later(found.back_at, line.get("back_at"))
            recent[key] = line
            recent.move_to_end(key)
            if len(recent) > _REMEMBERED:
                recent.popitem(last=False)
        elif line["event"] == STORED:
            found.keys.discard(key)
            recent.pop(key, None)
    found.some = list(recent.values())[-_TOLD:]
    return found


def _lines(paths: Iterable[Path], job_id: int) -> Iterator[dict[str, Any]]:
    """The lines of one job in all reports, in the order of their times; what is no line is passed over."""
    merged = heapq.merge(*map(_lines_of, paths), key=lambda line: str(line.get("time", "")))
    return (line for line in merged if line.get("job") == job_id)


def _lines_of(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        while raw := file.readline(_LONGEST_LINE_BYTES):
            try:
                line = json.loads(raw)
            except (ValueError, RecursionError):  # torn
                continue
            if isinstance(line, dict) and isinstance(line.get("key"), str) and "event" in line:
                yield line


def _later(one: datetime | None, other: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(other))
    except ValueError:
        return one
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment if one is None or moment > one else one
