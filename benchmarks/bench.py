"""Runs what the schedule says, clients in turns, and keeps every run's figures."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from benchmarks.boss_process import running_boss
from benchmarks.clients import CLIENTS, Ground
from benchmarks.discard_sink import Running, running_sink
from benchmarks.measuring import Figures, median
from benchmarks.processes import RunError
from benchmarks.schedule import Schedule
from benchmarks.workloads import ALL, Workload
from tests.contract.throwaway_tls import certificates

SPARE_BYTES = 4 << 30
Row = tuple[str, int, str]
"""Workload, delay in ms, client."""


@dataclass(slots=True)
class Found:
    """All runs, and why some rows have none."""

    runs: defaultdict[Row, list[Figures]] = field(default_factory=lambda: defaultdict(list))
    failed: dict[Row, str] = field(default_factory=dict)
    took_s: defaultdict[Row, float] = field(default_factory=lambda: defaultdict(float))

    def median(self, workload: str, delay_ms: int, client: str) -> Figures | None:
        runs = self.runs.get((workload, delay_ms, client))
        return median(runs) if runs else None


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the schedule is done."""

    workloads: list[str]
    delays_ms: list[int]
    clients: Callable[[str], bool]
    pairs: int
    scale: float
    schedule: Schedule
    patience_s: float = inf  # after so long nothing is repeated

    def tasks(self, workload: Workload, delay_ms: int) -> dict[str, int]:
        """Of each client."""
        runs = self.schedule[workload.name].get(delay_ms, {}) if delay_ms in self.delays_ms else {}
        return {
            client: workload.rounded(tasks * self.scale)
            for client, tasks in runs.items()
            if self.clients(client)
        }


def run_all(asked: Asked) -> Found:
    found = Found()
    rows = sum(len(asked.tasks(ALL[name], ms)) for name in asked.workloads for ms in asked.delays_ms)
    progress = _Progress(rows * asked.pairs)
    with ExitStack() as stack:
        folder = stack.enter_context(scratch())
        pem = certificates(folder)
        sink = stack.enter_context(running_sink())
        tls_sink = stack.enter_context(running_sink(certificate=pem))
        for name in asked.workloads:
            _workload(ALL[name], asked, found, progress, (folder / name, sink, tls_sink, pem.ca_bundle))
    return found


def _workload(
    workload: Workload,
    asked: Asked,
    found: Found,
    progress: _Progress,
    place: tuple[Path, Running, Running, Path],
) -> None:
    folder, sink, tls_sink, ca_bundle = place
    counts = {delay_ms: asked.tasks(workload, delay_ms) for delay_ms in asked.delays_ms}
    most = max((tasks for each in counts.values() for tasks in each.values()), default=0)
    if not most:
        return
    progress.say(f"({workload.name}) making its data …")
    (folder / "data").mkdir(parents=True)
    workload.make(folder / "data", most)
    with running_boss(folder / "boss", workload.channel(most)) as boss:
        for delay_ms, clients in counts.items():
            ground = Ground(workload, folder, sink, tls_sink, ca_bundle, boss, delay_ms / 1000)
            for pair in range(asked.pairs):
                if pair and progress.elapsed_s > asked.patience_s:
                    break
                for client, tasks in clients.items():
                    _run((workload.name, delay_ms, client), ground, tasks, found, progress)


def _run(row: Row, ground: Ground, tasks: int, found: Found, progress: _Progress) -> None:
    """One, unless this client failed before in this row."""
    progress.done += 1
    if row in found.failed:
        return
    began_s = time.monotonic()
    try:
        figures = CLIENTS[row[2]](ground, tasks)
    except RunError as error:
        found.failed[row] = str(error)
        progress.say(f"({row[0]}) {row[1]} ms, {row[2]}: {error}")
        return
    took_s = time.monotonic() - began_s
    found.runs[row].append(figures)
    found.took_s[row] += took_s
    progress.say(
        f"({row[0]}) {row[1]} ms, {row[2]}: {figures.rate:.1f} {ground.workload.unit}s/s, "
        f"{1000 * figures.cpu_per_task_s:.2f} ms of CPU each; {took_s:.1f} s"
    )


class _Progress:
    """A line for each run, with how far it is."""

    def __init__(self, runs: int) -> None:
        self.runs, self.done = runs, 0
        self._began_s = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._began_s

    def say(self, what: str) -> None:
        minutes, seconds = divmod(int(self.elapsed_s), 60)
        print(f"[{self.done}/{self.runs}, {minutes}:{seconds:02}] {what}", file=sys.stderr, flush=True)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where there is room for it."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and _free_bytes(memory) > SPARE_BYTES
    with tempfile.TemporaryDirectory(prefix="bench-", dir=memory if roomy else None) as folder:
        yield Path(folder)


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
