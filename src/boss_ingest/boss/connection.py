"""What all calls to the Boss share: a transport, and the patience to try again where that is safe."""

from __future__ import annotations

import asyncio
import copy
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import SecretStr

from boss_ingest.boss.retries import Patience
from boss_ingest.boss.transport import Transport

T = TypeVar("T")


class Connection:
    """A session with one Boss, ended by leaving its `async with`."""

    def __init__(
        self,
        base_url: str,
        token: SecretStr,
        *,
        allow_http: bool = False,
        ca_bundle: Path | None = None,
        timeout_s: float = 60.0,
        give_up_s: float = 15.0,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        dice: Callable[[], float] = random.random,
    ) -> None:
        """Open a session with the Boss at `base_url`, such as `https://api.bossdb.io`.

        Raises ConfigError when the address is none, or would carry the token unencrypted to another
        machine and `allow_http` is not given.
        """
        self.base_url = base_url
        self.allow_http = allow_http
        self._transport = Transport(
            base_url, token, allow_http=allow_http, ca_bundle=ca_bundle, timeout_s=timeout_s
        )
        self._send = self._transport.send
        self._patience = Patience(give_up_s=give_up_s, sleep=sleep, clock=clock, random=dice)

    def with_patience(self, **changes: Any) -> Self:
        """A client in the same session, open and closed with it, whose `Patience` is changed so."""
        other = copy.copy(self)
        other._patience = replace(self._patience, **changes)
        return other

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)

    async def _persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await self._patience.persist(attempt)
