"""What this client has done so far, as counts that are never ahead of the truth."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from boss_ingest.engine.aside import Aside

Counts = tuple[int, ...]
"""What adds up over several processes, in the order of `_ADDS_UP`."""

_ADDS_UP = (
    "stored",
    "objects",
    "stored_bytes",
    "passed_through",
    "skipped_outside",
    "substituted",
    "left_out",
    "converted",
    "redelivered",
    "retries",
    "in_work",
)


@dataclass(slots=True)
class Tally:
    """Counts of one client's work on one job.

    A task counts as stored once S3, and for a tile the index queue, has accepted all of it.
    """

    total: int = 0  # tasks of the whole job, as the Boss counts them
    left_visible: int | None = None  # in the upload queue when last asked; None before
    left_in_flight: int | None = None  # leased by someone, us included, when last asked
    stored: int = 0  # tasks done here
    objects: int = 0  # tiles or cuboids put here
    stored_bytes: int = 0  # bytes of their bodies
    passed_through: int = 0  # tiles stored byte for byte as they were read
    skipped_outside: int = 0  # cuboids wholly outside the extent, not stored
    substituted: int = 0  # tiles or chunks made up because the job file asks for it
    left_out: int = 0  # chunks not stored because the job file says so of missing ones
    converted: int = 0  # tiles or chunks whose values were changed because the job file says how
    redelivered: int = 0  # messages that came again after their task was done here
    retries: int = 0
    in_work: int = 0
    set_aside: Aside = field(default_factory=Aside)
    started_s: float = field(default_factory=time.monotonic)

    @property
    def elapsed_s(self) -> float:
        """Since this client began."""
        return time.monotonic() - self.started_s

    @property
    def left(self) -> int | None:
        """Tasks not done yet by anyone, as far as the queue tells."""
        if self.left_visible is None or self.left_in_flight is None:
            return None
        return self.left_visible + self.left_in_flight

    def is_hopeless(self, after: int) -> bool:
        """Whether so many tasks were set aside and none was stored."""
        return self.stored == 0 and len(self.set_aside) >= after

    @property
    def counts(self) -> Counts:
        """What adds up, as it stands."""
        return tuple(getattr(self, name) for name in _ADDS_UP)

    def add(self, counts: Counts, *, since: Counts = ()) -> None:
        """Add what another process counted since it last told of it."""
        for name, now, before in zip(_ADDS_UP, counts, since or (0,) * len(_ADDS_UP), strict=True):
            setattr(self, name, getattr(self, name) + now - before)
