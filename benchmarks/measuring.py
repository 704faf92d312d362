"""One run of one client: a job through the local Boss, or a program that only PUTs; what it took."""

from __future__ import annotations

import json
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from benchmarks.boss_process import Moment, RunningBoss
from benchmarks.discard_sink import Puts, Running
from benchmarks.processes import Program, RunError, cpu_seconds, running

LIMIT_S = 120.0  # of anything that is waited for


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run took; seconds of wall and CPU are those from the first task asked for to the last done."""

    tasks: float
    wall_s: float
    cpu_s: float
    puts: float = 0.0
    wire_bytes: float = 0.0
    sqs_calls: float = 0.0
    peak_rss_bytes: float = 0.0
    sink_busy: float = 0.0  # of one core
    boss_busy: float = 0.0
    first_put_s: float = 0.0  # after the command was started
    after_s: float = 0.0  # from the last task done to the end of the command

    @property
    def rate(self) -> float:
        """Tasks a second."""
        return self.tasks / self.wall_s

    @property
    def cpu_per_task_s(self) -> float:
        return self.cpu_s / self.tasks


def median(runs: Sequence[Figures]) -> Figures:
    """Each field's."""
    names = [field.name for field in fields(Figures)]
    return Figures(**{name: statistics.median(getattr(run, name) for run in runs) for name in names})


@dataclass(frozen=True, slots=True)
class Servers:
    """What clients talk to, and by how much its answers are late."""

    sink: Running
    boss: RunningBoss
    delay_s: float


def run_job(
    command: list[str | Path],
    *,
    env: dict[str, str],
    folder: Path,
    servers: Servers,
    tasks: int,
    puts: int,
    ends: bool,
) -> Figures:
    """A client that works through a job of so many tasks; it is stopped then unless it `ends` soon by itself.

    Raises RunError, also when there were fewer than `puts` PUTs.
    """
    sink, boss = servers.sink, servers.boss
    sink.begin_anew(servers.delay_s)
    boss.expect(tasks, servers.delay_s)
    with running(command, env=env, folder=folder) as program:
        began = _moment(boss, program)
        cpu, sink_cpu, boss_cpu = program.cpu_s(), cpu_seconds(sink.pid), cpu_seconds(boss.pid)
        done = _moment(boss, program)
        cpu, peak_rss_bytes = program.cpu_s() - cpu, program.peak_rss_bytes()
        sink_cpu, boss_cpu = cpu_seconds(sink.pid) - sink_cpu, cpu_seconds(boss.pid) - boss_cpu
        arrived = sink.begin_anew(servers.delay_s)
        if arrived.count < puts:
            raise RunError(f"{arrived.count} PUTs of {puts}: {program.said()}")
        after_s = 0.0
        if ends:
            program.wait(LIMIT_S)
            after_s = time.monotonic() - done.at_s
        wall_s = done.at_s - began.at_s
        return Figures(
            tasks,
            wall_s,
            cpu,
            arrived.count,
            arrived.size_bytes,
            sum(count for name, count in done.calls.items() if name.startswith("sqs.")),
            peak_rss_bytes,
            sink_cpu / wall_s,
            boss_cpu / wall_s,
            arrived.first_s - program.started_s,
            after_s,
        )


def _moment(boss: RunningBoss, program: Program) -> Moment:
    """The Boss's next one."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        if moment := boss.moment(0.5):
            return moment
        program.check()
    raise RunError(f"nothing more happened for {LIMIT_S:.0f} s: {program.said()}")


def run_loop(
    command: list[str | Path], *, env: dict[str, str], folder: Path, sink: Running, delay_s: float, puts: int
) -> Figures:
    """A program that PUTs (or only computes) and prints {"tasks", "wall_s", "cpu_s"} in its last line."""
    sink.begin_anew(delay_s)
    sink_cpu = cpu_seconds(sink.pid)
    with running(command, env=env, folder=folder) as program:
        program.wait(LIMIT_S)
        told = json.loads(program.log.read_text().splitlines()[-1])
    arrived = sink.begin_anew(0.0)  # those of the warm-up too, of the same sizes
    return Figures(
        **told,
        puts=puts,
        wire_bytes=arrived.size_bytes / max(1, arrived.count) * puts,
        sink_busy=(cpu_seconds(sink.pid) - sink_cpu) / told["wall_s"],
    )


def run_copy(
    command: list[str | Path], *, env: dict[str, str], folder: Path, tasks: int, sink: Running, delay_s: float
) -> Figures:
    """A program that copies a folder, from its first PUT to its last; CPU seconds with start and end."""
    sink.begin_anew(delay_s)
    before = _children_cpu_s()
    with running(command, env=env, folder=folder) as program:
        program.wait(LIMIT_S)
    puts: Puts = sink.begin_anew(0.0)
    if not puts.count:
        raise RunError(f"it put nothing: {program.said()}")
    return Figures(
        tasks=tasks,
        wall_s=puts.last_s - puts.first_s,
        cpu_s=_children_cpu_s() - before,
        puts=puts.count,
        wire_bytes=puts.size_bytes,
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
