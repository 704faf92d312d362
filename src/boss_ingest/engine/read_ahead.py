"""How many chunks may be read at one time: more while PUTs have nothing to do, no more while they have.

Reading is mostly faster than all that follows. What is read before it can be stored only takes memory, and
fresh memory costs more than the reading; so do reads side by side that only share the cores. But from a slow
source no PUT shall wait for a read not begun.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from boss_ingest.config.cores import cores
from boss_ingest.engine.limiter import PutLimiter

_FIRST = 2  # reads at the start; one more with each that ends when nothing is left to store
_PATIENCE_S = 2.0  # without a read that could begin, though too few objects are there, before one more does
_BUSY = 0.5  # of the cores: more at a time would not read faster


class CoresInUse:
    """Whether this process keeps the cores busy, since it was last asked."""

    def __init__(self) -> None:
        self._cores = cores()
        self._asked_s = time.monotonic(), time.process_time()

    def __call__(self) -> bool:
        """Ask."""
        then_s, used_then_s = self._asked_s
        self._asked_s = now_s, used_s = time.monotonic(), time.process_time()
        return used_s - used_then_s > _BUSY * self._cores * (now_s - then_s)


class ReadAhead:
    """A gate before reading a chunk, which opens by what `limiter` may have in flight."""

    def __init__(self, limiter: PutLimiter, is_busy: Callable[[], bool] | None = None) -> None:
        self._limiter = limiter
        self._is_busy = is_busy or CoresInUse()
        self._most_reads = _FIRST
        self._reads = 0
        self._unstored = 0
        self._admitted_at_s = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def reading(self, objects: int) -> AsyncIterator[None]:
        """Wait, and read; what is read then gives so many objects, each to be told of by `settled`."""
        await self._turn()
        try:
            yield
            if not self._is_busy() and self._unstored == 0:
                self._most_reads += 1
            self._unstored += objects
        finally:
            self._leave()

    def settled(self, objects: int = 1) -> None:
        """So many objects of what was read are stored, or will not be."""
        self._unstored -= objects
        self._admit()

    def _wants_more(self) -> bool:
        return self._unstored < self._limiter.limit

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._admit()
        try:
            while not turn.done():
                await asyncio.wait([turn], timeout=_PATIENCE_S)
                if not turn.done():
                    self._lose_patience()
        except asyncio.CancelledError:
            if turn.done():
                self._leave()
            turn.cancel()
            raise

    def _lose_patience(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if self._wants_more() and now_s - self._admitted_at_s >= _PATIENCE_S and not self._is_busy():
            self._most_reads = self._reads + 1
            self._admit()

    def _leave(self) -> None:
        self._reads -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._reads < self._most_reads and self._wants_more():
            turn = self._waiting.popleft()
            if not turn.done():
                self._reads += 1
                self._admitted_at_s = asyncio.get_running_loop().time()
                turn.set_result(None)
