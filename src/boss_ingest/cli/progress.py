"""Showing how far a job is: a bar on a terminal, plain lines off it, JSON lines for programs."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from boss_ingest.cli.pace import Pace, done_by_all
from boss_ingest.cli.running import is_terminal, say, tell
from boss_ingest.cli.sparing import Sparing
from boss_ingest.cli.words import count, counts, fields
from boss_ingest.engine import events

if TYPE_CHECKING:
    from boss_ingest.engine.tally import Tally

log = logging.getLogger("boss_ingest.progress")

_GRAVE = (events.SetAside, events.WontFit, events.NotRecorded, events.ProcessDied)

PROGRESS = ("auto", "bar", "lines", "json", "none")


class Display(Protocol):
    """One way to show progress."""

    every_s: float

    def tell(self, event: events.Event, text: str | None) -> None:
        """Show one thing that happened; `text` is what to say of it to a person, if anything."""

    def tick(self) -> None:
        """Show how the counts stand."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


@asynccontextmanager
async def watch(tally: Tally, mode: str, *, unit: str) -> AsyncIterator[events.Observer]:
    """Show a job's progress while the block runs; gives what the engine tells events to."""
    display = _choose(tally, mode, unit)
    sparing = Sparing()
    said_preparing = False

    def observe(event: events.Event) -> None:
        nonlocal said_preparing
        if isinstance(event, events.Converted):  # perhaps of every task there is: the report has them
            log.debug("%s", fields(event))
            return
        log.log(logging.WARNING if isinstance(event, _GRAVE) else logging.INFO, "%s", fields(event))
        if isinstance(event, events.Preparing):
            if said_preparing:
                return
            said_preparing = True
        display.tell(event, sparing.sentence(event))

    ticking = asyncio.create_task(_tick(display))
    try:
        yield observe
    finally:
        ticking.cancel()
        display.close()


async def _tick(display: Display) -> None:
    while True:
        display.tick()
        await asyncio.sleep(display.every_s)


def _choose(tally: Tally, mode: str, unit: str) -> Display:
    if mode == "auto":
        mode = "bar" if is_terminal(sys.stderr) else "lines"
    if mode == "bar":
        from boss_ingest.cli.bar import Bar

        return Bar(tally, unit)
    if mode == "json":
        return JsonLines(tally)
    return Lines(tally, unit) if mode == "lines" else Quiet()


class Lines:
    """One plain line for every event, and one every few seconds for the counts."""

    every_s = 5.0

    def __init__(self, tally: Tally, unit: str) -> None:
        self._tally = tally
        self._unit = unit
        self._pace = Pace(tally)
        self._last = 0

    def tell(self, event: events.Event, text: str | None) -> None:  # noqa: ARG002
        """Show one thing that happened."""
        if text is not None:
            say(text)

    def tick(self) -> None:
        """Show how the counts stand, unless nothing has moved."""
        self._pace.look()
        if self._tally.stored != self._last:
            self._last = self._tally.stored
            done, total = done_by_all(self._tally), self._tally.total
            percent = f" ({100 * done / total:.1f} %)" if total else ""
            done_so_far = f"{count(done)} of {count(total)} {self._unit}{percent}"
            say(", ".join([done_so_far, *counts(self._tally, self._pace, self._unit)]))

    def close(self) -> None:
        """Say the last counts once more, so that they are the true ones."""
        self.tick()


class JsonLines:
    """One JSON object a line on standard output: every event, and the counts each second."""

    every_s = 1.0

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def tell(self, event: events.Event, text: str | None) -> None:  # noqa: ARG002
        """Show one thing that happened."""
        tell(json.dumps(fields(event)))

    def tick(self) -> None:
        """Show how the counts stand."""
        tally = self._tally
        tell(json.dumps({
            "event": "Progress", "elapsed_s": round(tally.elapsed_s, 3), "total": tally.total,
            "done": done_by_all(tally), "stored": tally.stored, "objects": tally.objects,
            "stored_bytes": tally.stored_bytes, "in_work": tally.in_work, "retries": tally.retries,
            "set_aside": len(tally.set_aside), "left_visible": tally.left_visible,
            "left_in_flight": tally.left_in_flight,
        }))  # fmt: skip

    def close(self) -> None:
        """Say the last counts once more, so that they are the true ones."""
        self.tick()


class Quiet:
    """Nothing but what went wrong for good."""

    every_s = 3600.0

    def tell(self, event: events.Event, text: str | None) -> None:
        """Show what must not be missed."""
        if isinstance(event, _GRAVE) and text is not None:
            say(text)

    def tick(self) -> None:
        """Nothing to show."""

    def close(self) -> None:
        """Nothing to leave."""
