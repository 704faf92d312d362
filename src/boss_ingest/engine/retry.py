"""Trying again: the one place that decides when a failed request is sent once more."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from boss_ingest.engine.events import Observer, Retrying
from boss_ingest.engine.tally import Tally
from boss_ingest.errors import CredentialsError, Disposition, GaveUpError, ServiceError

_FIRST_S = 0.2
_CEILING_S = 20.0
_OUTAGE_S = 2.0  # of silence towards everybody; when it ends, those who wait need not wait longer …
_SPREAD_S = 1.0  # … than this, each a little differently

T = TypeVar("T")


def pause_s(attempt: int, *, at_least_s: float = 0.0) -> float:
    """How long to wait after the given failed attempt (1, 2, …): exponential, with full jitter."""
    ceiling_s = min(_CEILING_S, _FIRST_S * 2 ** min(attempt, 16))
    return max(at_least_s, random.uniform(0.0, ceiling_s))  # noqa: S311 - jitter, not a secret


class Retrier:
    """Repeats requests that may work in a moment, and gives up when nothing has worked for long.

    `renew` is called when keys are refused. `give_up_s` counts from the first failure after which no request
    to the same service succeeded, so a long outage ends the run with exit code 7 however many tasks are in
    flight, and a long pause between requests does not. When a silent service answers one request, the others
    are not kept waiting; the limit on PUTs, small by then, keeps them from becoming a storm.
    """

    def __init__(
        self,
        *,
        renew: Callable[[CredentialsError], Awaitable[None]],
        give_up_s: float,
        tally: Tally,
        observe: Observer,
    ) -> None:
        self._renew = renew
        self._give_up_s = give_up_s
        self._tally = tally
        self._observe = observe
        self._failing_since_s: dict[str, float] = {}
        self._answers_again: dict[str, asyncio.Event] = {}

    async def __call__(
        self, service: str, request: Callable[[], Awaitable[T]], *, what: str, until_s: float = float("inf")
    ) -> T:
        """Send until it works; raise the last error when it cannot, or not before `until_s` (loop time).

        `service` is whose silence is counted: S3, or one operation of SQS, which may go on handing out tasks
        while it takes no deletes. `what` names the request for the log. Raises ServiceError of any kind,
        JobGoneError when renewing keys finds that the job is gone, and GaveUpError after `give_up_s` without
        any success.
        """
        loop = asyncio.get_running_loop()
        attempt = 0
        while True:
            try:
                answer = await request()
            except ServiceError as error:
                if error.disposition is not Disposition.RETRY:
                    raise
                attempt += 1
                self._failing_since_s.setdefault(service, loop.time())
                if isinstance(error, CredentialsError):
                    await self._renew(error)
                retry_after_s = error.retry_after_s
                wait_s = min(pause_s(attempt, at_least_s=retry_after_s), self._patience_s(service, error))
                if loop.time() + wait_s > until_s:
                    raise
                self._tally.retries += 1
                self._observe(Retrying(what, error, wait_s))
            else:
                if service in self._failing_since_s:
                    self._note_answer(service)
                return answer
            if retry_after_s:
                await asyncio.sleep(wait_s)
            else:
                await self._pause(service, wait_s)

    def _note_answer(self, service: str) -> None:
        silent_s = asyncio.get_running_loop().time() - self._failing_since_s.pop(service)
        if silent_s > _OUTAGE_S and (waiting := self._answers_again.pop(service, None)):
            waiting.set()

    async def _pause(self, service: str, wait_s: float) -> None:
        until_s = asyncio.get_running_loop().time() + wait_s
        waiting = self._answers_again.setdefault(service, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until_s):
                await waiting.wait()
                await asyncio.sleep(random.uniform(0.0, _SPREAD_S))  # noqa: S311 - jitter, not a secret

    def _patience_s(self, service: str, error: ServiceError) -> float:
        """How much longer a silent service is waited for. Raises GaveUpError when that is no longer."""
        now_s = asyncio.get_running_loop().time()
        silent_s = now_s - self._failing_since_s.get(service, now_s)
        if silent_s >= self._give_up_s:
            raise GaveUpError(
                f"{service} has accepted nothing for {silent_s:.0f} s; its last answer was: {error.what}",
                hint=error.hint or "nothing is lost: go on later with `boss-ingest join`",
            ) from error
        return self._give_up_s - silent_s
