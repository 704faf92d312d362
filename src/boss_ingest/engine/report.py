"""The report of a job: what did not go as usual, one JSON object a line, written as it happens.

What was set aside and why, what was made up, left out or converted because the job file asks for it, and
what was set aside once and is stored now. Each line is one write at the end of the file, so several
processes may share it and kill -9 costs a line at most.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

from boss_ingest.boss.keys import task_key
from boss_ingest.engine import events
from boss_ingest.engine.expiry import utc_now
from boss_ingest.errors import TaskError

SET_ASIDE, STORED = "set aside", "stored"
_MADE_UP, _LEFT_OUT, _CONVERTED = "made up", "left out", "converted"
_MOST_CONVERTED = 100_000  # lines; a job may convert all of a volume, and then one line says as much


class Report:
    """Appends to the report of one job at `path`, which is made when there is a first line for it.

    A full disk or a folder that cannot be written stops nothing; every later line is tried all the same.
    """

    def __init__(self, path: Path, job_id: int, *, now: Callable[[], datetime] = utc_now) -> None:
        self.path = path
        self.written: Counter[str] = Counter()
        self._job_id = job_id
        self._now = now
        self._file: int | None = None
        self._torn = False
        self.lost = False  # whether a line could not be written

    def note(self, event: events.Event) -> events.NotRecorded | None:
        """Write down what belongs into the report; returns what to tell when that cannot be done, once."""
        match event:
            case events.SetAside(error=error):
                return self._write(SET_ASIDE, event.key, event.message_id, {
                    "source": error.source if isinstance(error, TaskError) else "",
                    "error": type(error).__name__, "what": error.what, "hint": error.hint,
                    "attempts": event.attempts,
                    "back_at": _iso(self._now() + timedelta(seconds=event.back_s)),
                })  # fmt: skip
            case events.Mended():
                return self._write(STORED, event.key, event.message_id, {})
            case events.Substituted():
                kind = _LEFT_OUT if event.left_out else _MADE_UP
                return self._write(kind, event.key, event.message_id, {"what": event.what})
            case events.Converted() if self.written[_CONVERTED] < _MOST_CONVERTED:
                last = self.written[_CONVERTED] == _MOST_CONVERTED - 1
                facts = {"what": "more are converted, and not listed here"} if last else {}
                return self._write(_CONVERTED, event.key, event.message_id, facts)
        return None

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(
        self, kind: str, key: str, message_id: str, facts: Mapping[str, object]
    ) -> events.NotRecorded | None:
        record: dict[str, object] = {
            "time": _iso(self._now()), "job": self._job_id, "event": kind, "key": key,
            "message_id": message_id, **_place_of(key), **facts,
        }  # fmt: skip
        line = json.dumps({name: value for name, value in record.items() if value != ""}) + "\n"
        self.written[kind] += 1
        try:
            self._append(line.encode())
        except OSError as error:
            if not self.lost:
                self.lost = True
                return events.NotRecorded(str(self.path), error.strerror or str(error))
        return None

    def _append(self, line: bytes) -> None:
        if self._file is None:
            self._file, self._torn = _open(self.path)
        piece = b"\n" + line if self._torn else line
        self._torn = True
        self._torn = os.write(self._file, piece) < len(piece)  # less than all as the disk becomes full


def _place_of(key: str) -> dict[str, int]:
    """x, y, z and t of a tile or chunk in its key; nothing when the key has none."""
    index = task_key(key)
    return {"x": index.x, "y": index.y, "z": index.z, "t": index.t} if index else {}


def _open(path: Path) -> tuple[int, bool]:
    """The file, ready to be appended to, and whether its last line was torn by the death of a writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = False
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            torn = file.read(1) != b"\n"
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644), torn


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
