"""The table that `make faults` prints: one row for each fault, with what it cost."""

from __future__ import annotations

import datetime
import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_COLUMNS = ("fault", "runs", "tasks", "lost voxels", "wrong voxels", "set aside", "seconds", "note")
_PACKAGES = ("boss-ingest", "aiohttp", "aiobotocore", "numpy")


@dataclass(slots=True)
class Row:
    """All runs of one fault. A `note` of a row that failed begins with FAILED."""

    name: str
    runs: int = 0
    tasks: int = 0
    lost_voxels: int = 0
    wrong_voxels: int = 0
    set_aside: int = 0
    seconds: float = 0.0
    note: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, nothing is wrong, and every run ended as it had to."""
        return not (self.lost_voxels or self.wrong_voxels or self.note.startswith("FAILED"))

    @property
    def cells(self) -> list[str]:
        counts = (self.runs, self.tasks, self.lost_voxels, self.wrong_voxels, self.set_aside)
        return [self.name, *(f"{count:,}" for count in counts), f"{self.seconds:.1f}", self.note]


def markdown(rows: Sequence[Row]) -> str:
    """The table, with a line of sums."""
    total = Row(
        "**all**",
        *(
            sum(getattr(row, name) for row in rows)
            for name in ("runs", "tasks", "lost_voxels", "wrong_voxels", "set_aside", "seconds")
        ),
        note=f"{sum(not row.is_good for row in rows)} rows failed",
    )
    lines = [_COLUMNS, ["---", *["--:"] * 6, "---"], *(row.cells for row in [*rows, total])]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "¦").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def report(rows: Sequence[Row], *, command: str, seconds: float) -> str:
    """The table with what it was measured on."""
    now = datetime.datetime.now(datetime.UTC)
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES if _is_there(name))
    machine = f"{platform.platform()}, {os.cpu_count()} cores, Python {platform.python_version()}; {packages}"
    title = f"# Faults, {now:%Y-%m-%d %H:%M} UTC"
    return f"{title}\n\n`{command}` took {seconds:.0f} s on {machine}.\n\n{markdown(rows)}\n"


def write(text: str, folder: Path) -> Path:
    """Keep a report under today's date; a second one of a day replaces the first."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}.md"
    path.write_text(text)
    return path


def _is_there(name: str) -> bool:
    try:
        version(name)
    except ModuleNotFoundError:
        return False
    return True
