"""What a user may set about how the work is done, and the defaults when they don't."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace

from boss_ingest.config.cores import cores
from boss_ingest.encode.codec import Codec

GIB = 1 << 30
PUTS = 64
"""In flight, at most, from one process."""


def _spare_memory_bytes() -> int:
    """A quarter of the machine's memory, at most 4 GiB: what we may take without being asked."""
    try:
        physical_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not told on this platform
        return GIB
    return max(GIB // 4, min(4 * GIB, physical_bytes // 4))


@dataclass(frozen=True, slots=True)
class Options:
    """How one client works on a job. All times in seconds, all sizes in bytes.

    `lease_s` stays below 180: a longer one could be overtaken by the job's completion
    (docs/protocol.md, "Completing").
    """

    concurrency: int = PUTS  # most PUTs in flight
    memory_bytes: int = field(default_factory=_spare_memory_bytes)
    workers: int = field(default_factory=cores)  # processes that decode, and run plugins
    attempts: int = 3  # tries before a task is set aside
    away_s: float = 30.0  # over which these tries are spread while the source's disk or server is away
    read_timeout_s: float = 100.0  # one call of a plugin; then its process is replaced
    lease_s: float = 170.0
    grace_s: float = 30.0  # to finish what is in flight after Ctrl-C
    give_up_s: float = 900.0  # without any success, before exit 7
    verify_timeout_s: float = 6 * 3600.0
    hopeless_after: int = 100  # failed tasks with none stored, before we stop trying
    codec: Codec | None = None  # of cuboids; None: what fits the channel
    include_outside: bool = False  # also store cuboids wholly outside the extent
    manual_complete: bool = False
    silence_s: float = 120.0  # of one of several processes, which then hangs: no read may take so long
    processes: int = 1  # that upload, each with its share of the concurrency, the memory and the workers

    @property
    def pause_away_s(self) -> float:
        """The least between two tries of a task whose source is away."""
        return self.away_s / max(1, self.attempts - 1)

    @property
    def cache_bytes(self) -> int:
        """The part of the memory in which a reader may keep decoded blocks for the tasks to come."""
        return self.memory_bytes // 4

    @property
    def task_bytes(self) -> int:
        """The part of the memory for the tasks in work."""
        return self.memory_bytes - self.cache_bytes

    def tasks_in_work(self, *, classic: bool) -> int:
        """How many tasks may be leased at a time: no more than end well before their leases do.

        Those of a `classic` plugin wait for a worker: with 8 to each, reads of up to 20 s end in time. Of the
        others as many again as PUTs in flight are on their way from the queue, or read.
        """
        return max(16, 8 * self.workers) if classic else 2 * self.concurrency + 4 * self.workers

    def share(self, number: int) -> Options:
        """Of one of the processes, counted from 0; each gets at least one PUT and one worker.

        Whether the whole run is hopeless is not for one of them to say.
        """
        return replace(
            self,
            concurrency=_part(self.concurrency, number, self.processes),
            memory_bytes=max(1, self.memory_bytes // self.processes),
            workers=_part(self.workers, number, self.processes),
            hopeless_after=sys.maxsize,
            processes=1,
        )


def _part(of: int, number: int, processes: int) -> int:
    return max(1, of // processes + (number < of % processes))
