"""What all calls to the Boss share: a transport, and the patience to try again where that is safe."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import SecretStr

from boss_ingest.boss.retries import Patience
from boss_ingest.boss.transport import Transport


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
        attempts: int = 8,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        dice: Callable[[], float] = random.random,
    ) -> None:
        """Open a session with the Boss at `base_url`, such as `https://api.bossdb.io`.

        Raises ConfigError when the address is none, or would carry the token unencrypted to another
        machine and `allow_http` is not given.
        """
        self.base_url = base_url
        self._transport = Transport(
            base_url, token, allow_http=allow_http, ca_bundle=ca_bundle, timeout_s=timeout_s
        )
        self._send = self._transport.send
        self._persist = Patience(attempts=attempts, sleep=sleep, random=dice).persist

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    async def __aenter__(self) -> Self:
        await self._transport.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.__aexit__(kind, error, trace)
