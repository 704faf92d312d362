"""Where the record of a run goes: the log, for whoever looks for a fault; options for it and the report."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from boss_ingest.cli.running import say

LEVELS = ("critical", "error", "warning", "info", "debug")
_FORMAT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --report, --log-file and --log-level."""
    report = click.option(
        "--report",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Where to list tasks set aside, made up, left out or converted, one JSON object a line  "
        "[default: the job's file in ~/.boss-ingest/reports]",
    )
    level = click.option(
        "--log-level", type=click.Choice(LEVELS, case_sensitive=False), default="info", show_default=True
    )
    file = click.option(
        "--log-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Where to write the log  [default: a new file in ~/.boss-ingest/logs]",
    )
    return report(file(level(command)))


class LogFile(logging.FileHandler):
    """A log on a disk that may become full: that is told once, and stops nothing."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - named by its parent
        """Called for every line that could not be written."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)
        elif not self._told:
            self._told = True
            say(f"warning: the log {self.baseFilename} cannot be written; the work goes on without")


def start_log(log_file: Path | None, log_level: str) -> Path | None:
    """Begin the log; returns its file, or None when it cannot be written (which stops nothing)."""
    from boss_ingest.engine.job_record import home_dir

    root = logging.getLogger("boss_ingest")
    root.setLevel(log_level.upper())
    try:
        path = log_file
        if path is None:
            stamp = time.strftime("%Y%m%d-%H%M%S")
            path = home_dir(os.environ) / "logs" / f"{stamp}-{os.getpid()}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = LogFile(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        say(f"warning: no log file: {place}{error.strerror or error}")
        root.addHandler(logging.NullHandler())
        return None
    handler.setFormatter(logging.Formatter(_FORMAT))
    root.addHandler(handler)
    return path
