"""The job's temporary keys, and when to ask the Boss for new ones.

The Boss says neither when keys end nor when new ones begin to work (docs/protocol.md, "Credentials"): the
old are taken to last about an hour, and new ones to be refused for some seconds. Every issue makes a user
in the Boss's account, so it is asked seldom: once for all callers, and ever less often if that never helps.
New keys that AWS refuses do not replace old ones that it takes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from boss_ingest.aws.failures import CLOCK_CODES
from boss_ingest.errors import GaveUpError, IngestError, TransientError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from boss_ingest.errors import CredentialsError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keys:
    """One set of temporary AWS keys, good for one job's queues and bucket."""

    access_key: str = field(repr=False)
    secret_key: SecretStr
    session_token: SecretStr | None


Issue = Callable[[], Awaitable[Keys]]
"""Asks the Boss for new keys, by joining the job. Raises IngestErrors; bounds its own time."""

RENEW_AFTER_S = 3000.0
"""Keys so old are replaced, well before the hour is over that they are taken to last."""

PROPAGATION_S = 20.0
"""For so long after their issue, that AWS refuses keys says nothing about them."""

_LONGEST_INTERVAL_S = 640.0
_PROVEN_S = 1800.0
_ISSUE_LIMIT_S = 600.0

_TRIALS = 4
_TRIAL_S = 60.0
"""New keys have so long to show that AWS takes them, while those before them still work."""

_UNDER_WAY_S = 10.0
"""For so long after the old keys came back, a refusal is taken for one of the new: it was under way."""


class KeyKeeper(Protocol):
    """Keeps the keys in use, by installing them; made as a `Keyring` is."""

    async def start(self) -> None:
        """Get the first keys."""

    async def renew(self, *, because: CredentialsError) -> None:
        """Get other keys, if that can help."""

    async def renew_ahead_of_time(self) -> None:
        """Renew for ever."""


Keep = Callable[[Issue, Callable[[Keys], None]], KeyKeeper]
"""Makes who keeps the keys, of who issues them and what installs them."""


@dataclass(frozen=True, slots=True)
class _InUse:
    keys: Keys
    since_s: float
    due_s: float  # when to ask for others, ahead of time


class Keyring:
    """Keeps the keys in use, and renews them: ahead of time, and when they are refused.

    `install` makes keys the ones in use. Time is asked of `clock` and spent with `sleep`.
    """

    def __init__(
        self,
        issue: Issue,
        install: Callable[[Keys], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._issue = issue
        self._install = install
        self._clock = clock
        self._sleep = sleep
        self._one_at_a_time = asyncio.Lock()
        self._in_use: _InUse | None = None
        self._former: _InUse | None = None  # worked until just now; while those in use are on trial
        self._pending: Keys | None = None  # not in use yet, or refused on trial
        self._back_at_s = 0.0
        self._interval_s = PROPAGATION_S
        self._not_before_s = 0.0

    async def start(self) -> None:
        """Get the first keys. Raises what `issue` raises."""
        keys = await self._issue()
        self._use(keys)
        self._not_before_s = self._clock() + self._interval_s

    async def renew(self, *, because: CredentialsError) -> None:
        """Get other keys; return at once when that cannot help or is too soon, for the caller to back off.

        Keys on trial give way to those before them. The Boss is asked no sooner than 20 s after the last
        time, since AWS may not know those keys yet. That doubles, up to 640 s, with every time that it does
        not answer or that its keys are refused within half an hour. When it does not answer, the old keys
        stay and nothing is raised; any other IngestError of `issue` is.
        """
        if because.code in CLOCK_CODES:
            return
        async with self._one_at_a_time:
            if self._former is not None:
                self._go_back_to(self._former)
            elif self._pending is not None:
                if self._clock() >= self._back_at_s + _UNDER_WAY_S:
                    self._use(self._pending)
            elif self._clock() >= self._not_before_s and (keys := await self._ask(because.code)):
                self._use(keys)

    async def renew_ahead_of_time(self) -> None:
        """Renew for ever, at nine to ten tenths of RENEW_AFTER_S: each host at its own moment.

        New keys are put to use 20 s after their issue, or when the old are refused: until then the old are
        the ones that AWS knows.
        """
        while True:
            while (left_s := max(self._due_s, self._not_before_s) - self._clock()) > 0:
                await self._sleep(left_s)
            try:
                async with self._one_at_a_time:
                    self._pending = await self._ask("ahead of time")
            except IngestError as error:
                log.warning("no new keys ahead of time: %s", error.what)
            await self._try_out()

    @property
    def _due_s(self) -> float:
        return self._in_use.due_s if self._in_use else 0.0

    async def _try_out(self) -> None:
        """Put the pending keys to use for good, unless AWS goes on to refuse them while it takes the old."""
        wait_s = PROPAGATION_S
        for _ in range(_TRIALS):
            if self._pending is None:
                return
            await self._sleep(wait_s)
            wait_s *= 2
            if self._pending is not None:
                former = self._in_use
                self._use(self._pending)
                self._former = former
                await self._sleep(_TRIAL_S)
                self._former = None
        if self._pending is not None and self._in_use is not None:
            log.warning("the new keys never worked; the old ones stay in use")
            self._pending = None
            self._in_use = replace(self._in_use, due_s=self._clock() + _LONGEST_INTERVAL_S)

    def _use(self, keys: Keys) -> None:
        now_s = self._clock()
        due_s = now_s + RENEW_AFTER_S * random.uniform(0.9, 1.0)  # noqa: S311 - no secret
        self._install(keys)
        self._in_use, self._former, self._pending = _InUse(keys, now_s, due_s), None, None

    def _go_back_to(self, former: _InUse) -> None:
        log.warning("the new keys are refused, perhaps for want of time; going back to the old ones")
        self._install(former.keys)
        self._pending = self._in_use.keys if self._in_use else None
        self._in_use, self._former = former, None
        self._back_at_s = self._clock()

    async def _ask(self, why: str) -> Keys | None:
        """New keys, or None when the Boss does not answer now."""
        proven = self._in_use is not None and self._clock() - self._in_use.since_s >= _PROVEN_S
        keys: Keys | None = None
        try:
            async with asyncio.timeout(_ISSUE_LIMIT_S):
                keys = await self._issue()
        except (TransientError, GaveUpError, TimeoutError) as error:
            told = error.what if isinstance(error, IngestError) else "no answer"
            log.warning("no new keys (%s): %s", why, told)
        finally:
            too_often = keys is None or not proven
            self._interval_s = min(2 * self._interval_s, _LONGEST_INTERVAL_S) if too_often else PROPAGATION_S
            self._not_before_s = self._clock() + self._interval_s
        return keys
