"""How much work is under way for each job, so that completion can wait for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Activity:
    """Counts what is being processed. A real Boss only trusts its quiet period, which is longer than ours."""

    def __init__(self) -> None:
        self._busy: Counter[int] = Counter()
        self._changed: asyncio.Event = asyncio.Event()

    def begin(self, job_id: int) -> None:
        """Something of this job is under way."""
        self._busy[job_id] += 1

    def end(self, job_id: int) -> None:
        """It ended, well or badly."""
        self._busy[job_id] -= 1
        self._changed.set()
        self._changed = asyncio.Event()

    @contextmanager
    def of(self, job_id: int) -> Iterator[None]:
        """Count what happens inside."""
        self.begin(job_id)
        try:
            yield
        finally:
            self.end(job_id)

    async def idle(self, job_id: int, *, waiting: Callable[[], int]) -> None:
        """Return when nothing of this job is under way, nor `waiting()` to be."""
        while self._busy[job_id] > 0 or waiting() > 0:
            await self._changed.wait()
