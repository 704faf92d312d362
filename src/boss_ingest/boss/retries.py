"""Trying again: as long as there is patience, with jitter so that a crowd does not march in step.

The same idea as in engine/retry.py, kept apart from it: there thousands of tasks share a service's silence,
within their leases; here one question to the Boss may take several requests, and only the call that asks it
knows which of them may be sent twice.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from boss_ingest.boss.answers import ForeignAnswerError
from boss_ingest.errors import GaveUpError, ServiceError, TransientError

T = TypeVar("T")

_log = logging.getLogger(__name__)

Tell: TypeAlias = Callable[[ServiceError, float, float], None]
"""Told of a failure that is waited out: the error, how long it has failed, the pause before the next try."""


def _tell_nobody(_error: ServiceError, _failing_s: float, _pause_s: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Patience:
    """Full-jitter exponential backoff on top of what the Boss asks for with Retry-After.

    Once a Boss is `known` to be one, an answer that is not in its voice comes from something in between and
    may pass too. The clock, the sleep and the dice can be swapped in tests.
    """

    give_up_s: float = 15.0  # after so long without a usable answer; short, for a person who waits
    known: bool = False
    hint: str = "nothing is lost: run the same command again later"
    tell: Tell = _tell_nobody
    first_s: float = 0.2
    longest_s: float = 20.0
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic
    random: Callable[[], float] = random.random

    async def persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Await `attempt()` until it raises nothing that may pass. Raises GaveUpError when patience ends."""
        began_s, number = self.clock(), 1
        while True:
            try:
                return await attempt()
            except (TransientError, ForeignAnswerError) as error:
                if isinstance(error, ForeignAnswerError) and not self.known:
                    raise
                failing_s = self.clock() - began_s
                left_s = self.give_up_s - failing_s
                if left_s <= 0 or error.retry_after_s > left_s:
                    raise self._gave_up(error, number, failing_s) from error
                pause_s = min(error.retry_after_s + self.pause_s(number), left_s)
                _log.info("%s; trying again in %.1f s", error.what, pause_s)
                self.tell(error, failing_s, pause_s)
            await self.sleep(pause_s)
            number += 1

    def pause_s(self, number: int) -> float:
        """How long to wait after failure `number` (1 the first): anything from 0 to the bound."""
        bound_s: float = self.first_s * 2 ** min(number - 1, 30)
        return self.random() * min(self.longest_s, bound_s)

    def _gave_up(self, error: ServiceError, number: int, spent_s: float) -> GaveUpError:
        tried = f"tried {number} times in {spent_s:.0f} s" if number > 1 else "tried once"
        hint = self.hint if self.known else error.hint or self.hint
        if error.retry_after_s > self.give_up_s:
            hint = f"the Boss asks to wait {error.retry_after_s:.0f} s; {self.hint}"
        return GaveUpError(f"{error.what} ({tried})", hint=hint)
