"""A page of results: what it was measured on, its tables, and where it is kept."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def line(cells: Iterable[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"


def table(head: Sequence[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Its lines."""
    return [*map(line, [head, ["---"] * len(head), *rows])]


def conditions(*libraries: str) -> str:
    """When, on what, with what; for a page that is begun."""
    versions = "".join(f", {name} {version(name)}" for name in libraries)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    return (
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} shared cores, "
        f"Python {platform.python_version()}{versions}. Load average when it began: {load}."
    )


def show(lines: Sequence[str], *, keep_as: str | None) -> None:
    """Print it; keep it among the results, under today's date."""
    print("\n".join(lines))
    if keep_as:
        path = RESULTS / f"{keep_as}-{datetime.datetime.now(datetime.UTC):%Y-%m-%d}.md"
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
