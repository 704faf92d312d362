"""How fast it goes and how long it will take, from the counts of the last half minute."""

from __future__ import annotations

from collections import deque

from boss_ingest.engine.tally import Tally

_WINDOW_S = 30.0


def done_by_all(tally: Tally) -> int:
    """Tasks of the job that are surely done, here or elsewhere; never more than is true.

    What the queue still holds is not done, and neither is what is in work or set aside here.
    """
    if tally.left is None:
        return tally.stored
    elsewhere = min(tally.total - tally.left, tally.total - tally.in_work - len(tally.set_aside))
    return max(tally.stored, min(elsewhere, tally.total))


class Pace:
    """Rates over a sliding window; call `look` at every update."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._looks: deque[tuple[float, int, int]] = deque()
        self.tasks_per_s = 0.0
        self.bytes_per_s = 0.0

    def look(self) -> None:
        """Take the counts as they stand."""
        now = self._tally.elapsed_s, self._tally.stored, self._tally.stored_bytes
        self._looks.append(now)
        while now[0] - self._looks[0][0] > _WINDOW_S:
            self._looks.popleft()
        span_s = now[0] - self._looks[0][0]
        if span_s > 0:
            self.tasks_per_s = (now[1] - self._looks[0][1]) / span_s
            self.bytes_per_s = (now[2] - self._looks[0][2]) / span_s

    @property
    def left_s(self) -> float | None:
        """Seconds until all tasks are done at this pace; None when there is none yet."""
        left = self._tally.total - done_by_all(self._tally) - len(self._tally.set_aside)
        return left / self.tasks_per_s if self.tasks_per_s > 0 and left > 0 else None
