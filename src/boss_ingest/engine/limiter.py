"""How many PUTs may be in flight: more while S3 keeps up, fewer when it says SlowDown, or takes long.

More of them than the service works on at a time only wait in its queue, or in that of a thin line: the
upload is no faster for it, and their leases run out. Where that knee lies is found from outside, by latency.
"""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

from boss_ingest.engine.latency import Latency

_FIRST = 8  # in flight at the start; doubled with every round trip until there is trouble
_SETTLE_S = 1.0  # SlowDowns that come together are one
_ROUND_PUTS = 8  # the fewest by which latency is judged
_LONG = 3.0  # times the unloaded latency: two thirds of it is waiting
_CERTAIN = 2  # rounds in a row that were long, for a pause of our own makes one of them so
_BELOW = 0.9  # of where the queue begins: there the unloaded latency shows again
_DEEPEST = 0.25  # the most that one judgement takes away
_QUEUE_FREE = 4  # so few may always be in flight: latency is no reason for less
_RELIEF = 0.8  # if fewer PUTs take longer than this part of what the more took, it is not they who queue


class PutLimiter:
    """A limit on concurrent PUTs, increased additively and decreased multiplicatively.

    Use as `async with limiter:` around one PUT, then `ok()` or `throttled()`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(min(_FIRST, most))
        self._double_until = float(most)  # below this the limit grows by one for every PUT
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._pressed = False  # somebody had to wait in this round: the limit is what limits
        self._cut_at_s = float("-inf")  # PUTs that began before say nothing about the limit since
        self._accepted_since = True  # something was, since the limit was halved
        self._latency = Latency()
        self._long_rounds = 0
        self._blamed = 0.0  # how long, in times of the unloaded latency, when that last cost PUTs

    @property
    def limit(self) -> int:
        """How many PUTs may be in flight just now."""
        return max(1, int(self._limit))

    def ok(self, *, began_s: float, size_bytes: int) -> None:
        """A PUT that began then (loop time) was accepted: allow more, unless they queue."""
        now_s = asyncio.get_running_loop().time()
        self._accepted_since = True
        self._latency.add(began_s=began_s, ended_s=now_s, size_bytes=size_bytes)
        if self._pressed and not self._long_rounds and began_s >= self._cut_at_s:
            step = 1.0 if self._limit < self._double_until else 1.0 / self._limit
            self._limit = min(float(self._most), self._limit + step)
        if self._latency.puts >= max(_ROUND_PUTS, self.limit // 4):
            self._judge(self._latency.end_round(now_s))

    def throttled(self) -> None:
        """S3 asked us to slow down, or did not answer: halve, once for all the PUTs that met it together."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._cut_at_s < _SETTLE_S:
            return
        self._cut_at_s = now_s
        if self._accepted_since:  # else it is the same storm, which does not tell what S3 could do before
            self._double_until = self._limit / 2
            self._accepted_since = False
        self._limit = max(1.0, self._limit / 2)

    def _judge(self, times: float) -> None:
        """Of a round whose PUTs took so many times the unloaded latency."""
        pressed, self._pressed = self._pressed, bool(self._waiting)
        if times <= _LONG or not pressed:
            self._long_rounds = 0
            self._blamed = 0.0
            return
        self._double_until = 0.0
        self._long_rounds += 1
        if self._long_rounds < _CERTAIN:
            return
        self._long_rounds = 0
        if times > _RELIEF * self._blamed > 0:
            self._blamed = 0.0
            self._latency.accept()
        else:
            self._blamed = times
            self._cut_at_s = asyncio.get_running_loop().time()
            self._limit = max(min(self._limit, _QUEUE_FREE), self._limit * max(_DEEPEST, _BELOW / times))

    async def __aenter__(self) -> Self:
        if self._in_flight < self.limit and not self._waiting:
            self._in_flight += 1
            return self
        self._pressed = True
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._admit()
            else:
                self._leave()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        self._in_flight -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and (self._waiting[0].cancelled() or self._in_flight < self.limit):
            turn = self._waiting.popleft()
            if not turn.cancelled():
                self._in_flight += 1
                turn.set_result(None)
