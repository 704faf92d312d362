"""Trying again: with patience that grows, jitter so that a crowd does not march in step, and an end."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from boss_ingest.errors import GaveUpError, TransientError

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """Full-jitter exponential backoff. The clock, the sleep and the dice can be swapped in tests."""

    attempts: int = 8
    first_s: float = 0.2
    longest_s: float = 20.0
    longest_retry_after_s: float = 300.0
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random

    async def persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Await `attempt()` until it does not raise TransientError. Raises GaveUpError after the last."""
        began_s, number = self.clock(), 1
        while True:
            try:
                return await attempt()
            except TransientError as error:
                if number >= self.attempts or error.retry_after_s > self.longest_retry_after_s:
                    raise self._gave_up(error, number, self.clock() - began_s) from error
                pause_s = max(self.pause_s(number), error.retry_after_s)
                _log.info("%s; trying again in %.1f s", error.what, pause_s)
            await self.sleep(pause_s)
            number += 1

    def pause_s(self, number: int) -> float:
        """How long to wait after failure `number` (1 the first): anything from 0 to the bound."""
        bound_s: float = self.first_s * 2 ** min(number - 1, 30)
        return self.random() * min(self.longest_s, bound_s)

    def _gave_up(self, error: TransientError, number: int, spent_s: float) -> GaveUpError:
        tried = f"tried {number} times in {spent_s:.0f} s" if number > 1 else "tried once"
        hint = error.hint or "nothing is lost: run the same command again later"
        if error.retry_after_s:
            hint = f"the Boss asks to wait {error.retry_after_s:.0f} s; then run the same command again"
        return GaveUpError(f"{error.what} ({tried})", hint=hint)
