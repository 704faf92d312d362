"""`make bench-reading`: each layout read by ours and by boss-ingest 0.12.0, on the same data, in turns.

Makes the data in a temporary folder, one layout at a time, and removes it. See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.page import RESULTS, line, table
from benchmarks.reading_layouts import COLUMNS, LAYOUTS, ROWS, Work

HERE = Path(__file__).parent
ROOT = HERE.parent
SIDE = Path(os.environ.get("BOSS_INGEST_PARITY") or ROOT / ".venv-parity").absolute() / "bin" / "python"
LIBRARIES = "numpy pillow h5py tifffile imagecodecs tensorstore blosc cloud-volume boss-ingest"
VERSIONS = (
    "import sys, importlib.metadata as m\nprint('Python ' + sys.version.split()[0], end='')\n"
    "for name in sys.argv[1:]:\n  try: print(', ' + name, m.version(name), end='')\n"
    "  except m.PackageNotFoundError: pass"
)
HEADS = ["layout", "pixels MB", "files MB", "s ours", "s original", "CPU s ours", "CPU s original"]
HEADS += ["read ÷ files ours", "original", "read ÷ uploaded ours", "original"]
HEADS += ["uploaded MB ours", "original", "s ours, reading alone"]
Runs = list[dict[str, float]]


@dataclass(frozen=True)
class Measured:
    """The medians of one layout; a side that does not read it, or failed, has none."""

    name: str
    pixel_bytes: int
    file_bytes: int
    ours: dict[str, float]
    alone: dict[str, float]
    original: dict[str, float] | None

    def row(self) -> list[str]:
        """As HEADS names them."""
        both = (self.ours, self.original)
        return [
            self.name,
            f"{self.pixel_bytes / 1e6:.0f}",
            f"{self.file_bytes / 1e6:.1f}",
            *(f"{side['seconds']:.2f}" if side else "–" for side in both),
            *(f"{side['cpu_s']:.2f}" if side else "–" for side in both),
            *(self._ratio(side, self.file_bytes) for side in both),
            *(self._ratio(side, side["uploaded"] if side else 0) for side in both),
            *(f"{side['uploaded'] / 1e6:.1f}" if side else "–" for side in both),
            f"{self.alone['seconds']:.2f}",
        ]

    def _ratio(self, side: dict[str, float] | None, to: float) -> str:
        """Bytes read to others; all of each file is asked for, so far less than all is what went unseen."""
        if side is None:
            return "–"
        return "unseen" if side["read"] < self.file_bytes / 2 else f"{side['read'] / to:.2f}"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--slices", type=int, default=32, help=f"of {ROWS} × {COLUMNS}; a multiple of 16")
    options.add_argument("--pairs", type=int, default=3, help="how often each side runs")
    options.add_argument("--only", default="", help="layouts with this in their names")
    options.add_argument("--results", type=Path, help="the file to write; else results/reading-<date>.md")
    asked = options.parse_args()
    if asked.slices % 16 or asked.slices < 16:
        options.error("--slices must be a multiple of 16")
    if not SIDE.exists():
        sys.exit(f"{SIDE} is missing: `make parity-environment` installs the original")
    began, load = datetime.datetime.now(datetime.UTC), os.getloadavg()
    found: list[Measured] = []
    for name, make in LAYOUTS.items():
        if asked.only in name:
            with tempfile.TemporaryDirectory(prefix="bench-reading-") as folder:
                (data := Path(folder) / "data").mkdir()
                found.append(measure(name, make(data, asked.slices), data, asked.pairs))
                print(line(found[-1].row()), flush=True)
    text = report(found, conditions(asked.pairs, began, load))
    print("\n" + text)
    path = asked.results or RESULTS / f"reading-{began:%Y-%m-%d}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def measure(name: str, work: Work, data: Path, pairs: int) -> Measured:
    """Ours, the original, ours, the original, …; each run in a process of its own."""
    file = data.parent / "work.json"
    file.write_text(json.dumps(work.told()))
    ours: Runs = []
    alone: Runs = []
    original: Runs = []
    for _ in range(pairs):
        ours.append(run([sys.executable, "-m", "benchmarks.reading_ours", file]))
        if work.original:
            original.append(run([SIDE, "-W", "ignore", HERE / "reading_original.py", file]))
        alone.append(run([sys.executable, "-m", "benchmarks.reading_ours", file, "alone"]))
    file_bytes = sum(path.stat().st_size for path in data.rglob("*") if path.is_file())
    medians = [median(runs) for runs in (ours, alone)]
    return Measured(name, work.pixel_bytes, file_bytes, *medians, median(original) if original else None)


def run(command: list[object]) -> dict[str, float]:
    """What the last line of its output says."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)} failed:\n{done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def median(runs: Runs) -> dict[str, float]:
    return {key: statistics.median(each[key] for each in runs) for key in runs[0]}


def report(found: list[Measured], told: list[str]) -> str:
    about = "What is measured, and what these numbers cannot see: benchmarks/README.md."
    rows = table(HEADS, (each.row() for each in found))
    text = ["# Reading, beside the original", "", *told, "", about, "", *rows, "", *verdict(found)]
    return "\n".join([*text, ""])


def verdict(found: list[Measured]) -> list[str]:
    """Which layouts miss the two targets."""
    more = [each.name for each in found if each.ours["read"] > 1.1 * each.file_bytes]
    slower = [each for each in found if each.original and each.ours["seconds"] > each.original["seconds"]]
    costlier = [each for each in found if each.original and each.ours["cpu_s"] > each.original["cpu_s"]]
    reader = [each for each in slower if each.original and each.alone["seconds"] > each.original["seconds"]]
    return [
        f"* more than 1.1 × the files' bytes read by ours: {'; '.join(more) or 'none'}",
        f"* ours slower than the original: {'; '.join(each.name for each in slower) or 'none'}",
        f"* of these also in reading alone: {'; '.join(each.name for each in reader) or 'none'}",
        f"* ours with more CPU seconds: {'; '.join(each.name for each in costlier) or 'none'}",
    ]


def conditions(pairs: int, began: datetime.datetime, load: tuple[float, float, float]) -> list[str]:
    """When, on what, with what."""
    ended, now = datetime.datetime.now(datetime.UTC), os.getloadavg()
    info = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((row.partition(": ")[2] for row in info if row.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    commit = told_by(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])
    loads = " → ".join(" ".join(f"{each:.2f}" for each in some) for some in (load, now))
    return [
        f"* {began:%Y-%m-%d %H:%M} – {ended:%H:%M} UTC, commit {commit}",
        f"* medians of {pairs} runs a side, in turns",
        f"* {cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release()}",
        f"* load average (1, 5, 15 min) before → after: {loads}",
        "* files in the page cache (they were just written): no disk is measured",
        *(
            f"* {side}: {told_by([str(python), '-c', VERSIONS, *LIBRARIES.split()])}"
            for side, python in (("ours", sys.executable), ("original", SIDE))
        ),
    ]


def told_by(command: list[str]) -> str:
    """What a program says; that it is missing where it is."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return "missing"


if __name__ == "__main__":
    main()
