"""Where the log goes: a file for the record, and warnings to the person when there is no bar to disturb."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

LEVELS = ("critical", "error", "warning", "info", "debug")
_FORMAT = "%(asctime)s %(levelname)-8s %(name)s: %(message)s"


def log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --log-file and --log-level."""
    level = click.option(
        "--log-level", type=click.Choice(LEVELS, case_sensitive=False), default="info", show_default=True
    )
    file = click.option(
        "--log-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Where to write the log  [default: a new file in ~/.boss-ingest/logs]",
    )
    return file(level(command))


def start_log(log_file: Path | None, log_level: str) -> Path | None:
    """Begin the log; returns its file, or None when it cannot be written (which stops nothing)."""
    from boss_ingest.engine.job_record import home_dir

    path = log_file
    if path is None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        path = home_dir(os.environ) / "logs" / f"{stamp}-{os.getpid()}.log"
    root = logging.getLogger("boss_ingest")
    root.setLevel(log_level.upper())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler: logging.Handler = logging.FileHandler(path, encoding="utf-8", delay=False)
    except OSError as error:
        click.echo(f"warning: no log file: {error}", err=True)
        root.addHandler(logging.NullHandler())
        return None
    handler.setFormatter(logging.Formatter(_FORMAT))
    root.addHandler(handler)
    return path
