"""A program that is run and watched: CPU seconds and memory of it and all its children (Linux, /proc)."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).parent.parent


class RunError(Exception):
    """A program that did not do what it was measured for; says why."""


@dataclass(slots=True)
class Program:
    """A program that runs, in a session of its own; what it says goes to `log`."""

    process: subprocess.Popen[bytes]
    log: Path
    started_s: float

    def cpu_s(self) -> float:
        """User and system until now, of all that run and all that ended and were waited for."""
        return sum(cpu_seconds(pid) for pid in self._pids())

    def peak_rss_bytes(self) -> int:
        """The sum of the peaks of all that run now; what they share counts once for each."""
        return sum(peak_rss_bytes(pid) for pid in self._pids())

    def said(self) -> str:
        return self.log.read_text(errors="replace")[-1500:]

    def check(self) -> None:
        """Raises RunError when it has ended."""
        if self.process.poll() is not None:
            raise RunError(f"it ended with {self.process.returncode}: {self.said()}")

    def wait(self, limit_s: float) -> None:
        """Until it ends. Raises RunError when it does not, or fails."""
        try:
            code = self.process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise RunError(f"it did not end within {limit_s:.0f} s: {self.said()}") from None
        if code:
            raise RunError(f"it ended with {code}: {self.said()}")

    def _pids(self) -> list[int]:
        found = [self.process.pid]
        for pid in found:
            found += _children(pid)
        return found


@contextmanager
def running(
    command: list[str | Path], *, env: Mapping[str, str], folder: Path, cwd: Path = ROOT
) -> Iterator[Program]:
    """Run a program with no more of the environment than PATH, HOME and `env`; end it with the block."""
    log = folder / "said.log"
    with log.open("wb") as file:
        started_s = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in command],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **env},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Program(process, log, started_s)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def cpu_seconds(pid: int) -> float:
    """User and system of a process, its threads, and its children that were waited for; 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0.0
    return sum(map(int, text.rpartition(")")[2].split()[11:15])) / _TICKS


def peak_rss_bytes(pid: int) -> int:
    """The most a process had in RAM (not ru_maxrss, which begins with that of who started it)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def _children(pid: int) -> list[int]:
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(word) for word in path.read_text().split()]
        except OSError:
            continue
    return found
