"""The progress bar on a terminal: counts that move, and what happened scrolling above them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from boss_ingest.cli.pace import Pace, done_by_all
from boss_ingest.cli.running import unless_gone
from boss_ingest.cli.words import count, counts

if TYPE_CHECKING:
    from boss_ingest.engine import events
    from boss_ingest.engine.tally import Tally


class Bar:
    """A bar that stays at the bottom of the terminal."""

    every_s = 0.25

    def __init__(self, tally: Tally, unit: str) -> None:
        self._tally = tally
        self._unit = unit
        self._pace = Pace(tally)
        self._console = Console(stderr=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.fields[done]}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[rest]}"),
            console=self._console,
        )
        self._task = self._progress.add_task("", total=None, done="", rest="")
        self._progress.start()

    def tell(self, event: events.Event, text: str | None) -> None:  # noqa: ARG002
        """Show one thing that happened, above the bar."""
        if text is not None:
            with unless_gone(sys.stderr):
                self._progress.console.print(text, markup=False, soft_wrap=True)

    def tick(self) -> None:
        """Show how the counts stand."""
        tally, pace = self._tally, self._pace
        pace.look()
        done = done_by_all(tally)
        self._progress.update(
            self._task,
            total=tally.total or None,
            completed=done,
            done=f"{count(done)} / {count(tally.total)} {self._unit}",
            rest="  ".join(counts(tally, pace, self._unit)),
        )

    def close(self) -> None:
        """Leave the terminal as it was found, the last counts standing."""
        self.tick()
        with unless_gone(sys.stderr):
            self._progress.stop()
