"""How many PUTs may be in flight: more while S3 keeps up, half as many when it says SlowDown or nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

_SETTLE_S = 1.0  # PUTs already in flight when the limit was halved say nothing about the new limit


class PutLimiter:
    """An additive-increase, multiplicative-decrease limit on concurrent PUTs.

    Use as `async with limiter:` around one PUT, then `ok()` or `throttled()`.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._halved_at_s = float("-inf")

    @property
    def limit(self) -> int:
        """How many PUTs may be in flight just now."""
        return max(1, int(self._limit))

    def ok(self) -> None:
        """A PUT was accepted: allow one more for every `limit` of them."""
        self._limit = min(float(self._most), self._limit + 1.0 / self._limit)

    def throttled(self) -> None:
        """S3 asked us to slow down, or did not answer: halve, once for all the PUTs that met it together."""
        now_s = asyncio.get_running_loop().time()
        if now_s - self._halved_at_s >= _SETTLE_S:
            self._halved_at_s = now_s
            self._limit = max(1.0, self._limit / 2)

    async def __aenter__(self) -> Self:
        if self._in_flight < self.limit and not self._waiting:
            self._in_flight += 1
            return self
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
