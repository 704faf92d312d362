"""The tasks that earlier runs set aside: a run may go back to them, and to them alone.

SQS hands out what it likes, so going back to some tasks means looking at many: what is not wanted is leased
for a short look only, and comes back by itself. A lease can't be ended early nor made longer, so what is
wanted is worked on under that same short lease; should it end before the work does, the message comes once
more and is then only deleted. When nothing but wanted tasks can be left in the queue, leases are as long as
ever.
"""

from __future__ import annotations

from collections.abc import Iterable

LOOK_S = 30.0  # lease of a look at a queue where others' work, or what was set aside here, is expected
_SEARCH_S = 240.0  # longer than any lease: what was not seen by then is done, or lost in the crowd


class Wanted:
    """Keys of tasks to watch for; `alone`: nothing else is worked on."""

    def __init__(self, keys: Iterable[str] = (), *, alone: bool = False) -> None:
        self.left = set(keys)
        self.total = len(self.left)
        self.mended = 0  # stored now
        self.failed_again = 0
        self.alone = alone
        self._seen_s: float | None = None

    def takes(self, key: str, now_s: float) -> bool:
        """Whether this is one of the tasks watched for."""
        if key not in self.left:
            return False
        self._seen_s = now_s
        return True

    def settle(self, key: str, *, stored: bool) -> bool:
        """The task is done with; returns whether it was one of those watched for."""
        if key not in self.left:
            return False
        self.left.discard(key)
        if stored:
            self.mended += 1
        else:
            self.failed_again += 1
        return True

    def is_over(self, now_s: float) -> bool:
        """Whether there is nothing left to look for, alone: all are settled, or were not seen for long."""
        if not self.alone:
            return False
        if self._seen_s is None:
            self._seen_s = now_s
        return not self.left or now_s - self._seen_s > _SEARCH_S
