"""What a long run must keep flat: memory, open files and speed, looked at while it goes on."""

from __future__ import annotations

import gc
import itertools
import time
from dataclasses import dataclass, field
from pathlib import Path

TENTHS = 10


@dataclass(frozen=True, slots=True)
class Look:
    """The process as it was when so many tasks were done."""

    tasks: int
    at_s: float
    cpu_s: float
    rss_bytes: int
    files: int


@dataclass(slots=True)
class Gauge:
    """Looks at this process at the start and after every tenth of `tasks`."""

    tasks: int
    looks: list[Look] = field(default_factory=list)

    def see(self, done: int) -> None:
        """To be called often; looks when another tenth is done."""
        if done >= len(self.looks) * self.tasks // TENTHS:
            gc.collect()
            self.looks.append(Look(done, time.monotonic(), time.process_time(), rss_bytes(), open_files()))

    def growth_bytes(self, tenth: int) -> int:
        """From the end of a tenth to the end of all."""
        return self.looks[-1].rss_bytes - self.looks[tenth].rss_bytes

    @property
    def more_files(self) -> int:
        """From the first tenth to the last."""
        return self.looks[-1].files - self.looks[1].files

    @property
    def slowing(self) -> float:
        """CPU seconds of a task in the cheapest of the last three tenths, in those of the second to fourth.

        What else a machine does makes some tenths dearer, and none cheaper.
        """
        costs_s = [self._cost_s(before, after) for before, after in itertools.pairwise(self.looks)]
        return min(costs_s[-3:]) / min(costs_s[1:4])

    @property
    def rate(self) -> float:
        """Tasks a second, from beginning to end."""
        first, last = self.looks[0], self.looks[-1]
        return (last.tasks - first.tasks) / (last.at_s - first.at_s)

    def problems(self, *, growth_bytes: int, files: int = 2, slowing: float = 1.25) -> list[str]:
        """What was not flat, in words.

        In the second half only a quarter of `growth_bytes` may come: by then all that is kept of the last so
        many tasks is full, as is the engine's memory of 50,000 done messages. The first tenth is start-up.
        """
        found: list[str] = []
        for tenth, most_bytes in ((1, growth_bytes), (TENTHS // 2, growth_bytes // 4)):
            if (grown_bytes := self.growth_bytes(tenth)) > most_bytes:
                found.append(f"memory grew by {grown_bytes >> 10} KiB after {tenth}0 %")
        if self.more_files > files:
            found.append(f"{self.more_files} more files are open")
        if self.slowing > slowing:
            found.append(f"a task costs {self.slowing:.2f} times as much at the end")
        return found

    @staticmethod
    def _cost_s(before: Look, after: Look) -> float:
        return (after.cpu_s - before.cpu_s) / max(1, after.tasks - before.tasks)

    def told(self) -> str:
        """One line for a table."""
        first, middle, last = (self.looks[at] for at in (1, len(self.looks) // 2, -1))
        rss = " → ".join(f"{look.rss_bytes / 2**20:.0f}" for look in (first, middle, last))
        return (
            f"{self.rate:.0f} tasks/s, RSS {rss} MiB at 10, 50, 100 %, {last.files} files open, "
            f"CPU a task {self.slowing:.2f} × at the end"
        )


def rss_bytes() -> int:
    """Memory of this process that is in RAM (Linux)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status does not tell VmRSS")


def open_files() -> int:
    """Files and sockets this process has open (Linux)."""
    return len(list(Path("/proc/self/fd").iterdir()))
