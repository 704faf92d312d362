"""What is said while tasks fail by the thousand: the first in full, then that there are more."""

from __future__ import annotations

from collections import Counter

from boss_ingest.cli.words import sentence
from boss_ingest.engine import events

IN_FULL = 20

_MANY: dict[type, str] = {
    events.SetAside: "more tasks are set aside: from here on they are counted, and listed in the report",
    events.Substituted: "more is made up or left out: from here on that is only listed in the report",
    events.Mended: "more tasks that were set aside are stored now: from here on only counted",
}


class Sparing:
    """Puts events into sentences, of each kind that may come by the million only so many."""

    def __init__(self) -> None:
        self._told: Counter[type] = Counter()

    def sentence(self, event: events.Event) -> str | None:
        """What to tell a person; None for nothing."""
        kind = type(event)
        if kind not in _MANY:
            return sentence(event)
        self._told[kind] += 1
        if self._told[kind] > IN_FULL + 1:
            return None
        return _MANY[kind] if self._told[kind] > IN_FULL else sentence(event)
