"""Requests to the source's Boss: bounded in time and size, repeated where that helps, never redirected.

No error of aiohttp's is told or chained: it can hold the request's headers, and with them the token.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from typing import TYPE_CHECKING, Any

import aiohttp
from yarl import URL

from boss_ingest.config.proxies import proxy_for
from boss_ingest.errors import SourceAwayError, SourceError

if TYPE_CHECKING:
    from boss_ingest.plugins.intern_account import Account

REQUESTS = 8
"""Requests at the same time."""

TRIES = 5
FIRST_PAUSE_S = 1.0
TRY_TIMEOUT_S = 60.0
_SYSTEM_ERROR = 9001  # a fault of the server's that comes as HTTP 400


class Requests:
    """Asks one Boss, with one token. Made and used in a running event loop."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._slots = asyncio.Semaphore(REQUESTS)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(), limit=REQUESTS),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=TRY_TIMEOUT_S, sock_connect=15.0),
        )

    async def get(self, path: str, *, accept: str, most_bytes: int, name: str) -> bytes:
        """The body of a 200 for `path`, which follows the version. Raises SourceError about `name`."""
        url = URL(f"{self._account.url}/v1/{path}", encoded=True)
        why = ""
        for again in range(TRIES):
            if again:
                await asyncio.sleep(random.uniform(0, FIRST_PAUSE_S * 2**again))  # noqa: S311 - no secret
            try:
                async with self._slots, asyncio.timeout(TRY_TIMEOUT_S):
                    status, body = await self._ask(url, accept, most_bytes, name)
            except TimeoutError:
                why = "does not answer in time"
                continue
            except (aiohttp.ClientError, OSError) as error:
                why = f"cannot be reached ({type(error).__name__})"
                continue
            if status == 200:
                return body
            data = _json(body)
            why = f"answers HTTP {status}{self._said(data)}"
            passing = status >= 500 or status in {408, 429} or data.get("code") == _SYSTEM_ERROR
            if not passing:
                raise SourceError(f"{name}: the Boss {why}", hint=self._hint(status))
        raise SourceAwayError(
            f"{name}: the Boss {why} ({TRIES} tries)", hint="is it up, and the network to it?"
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._session.close()

    async def _ask(self, url: URL, accept: str, most_bytes: int, name: str) -> tuple[int, bytes]:
        headers = {"Authorization": f"Token {self._account.token.get_secret_value()}", "Accept": accept}
        asking = self._session.get(url, headers=headers, allow_redirects=False, proxy=proxy_for(str(url)))
        async with asking as response:
            body = bytearray()
            async for piece in response.content.iter_chunked(1 << 18):
                body += piece
                if len(body) > most_bytes:
                    raise SourceError(f"{name}: the Boss sends more than {most_bytes:,} bytes")
            return response.status, bytes(body)

    def _said(self, data: dict[str, Any]) -> str:
        """The Boss's explanation, if it gave one; a server may repeat the request, and with it the token."""
        text = str(data.get("message") or data.get("detail") or "")
        text = text.replace(self._account.token.get_secret_value(), "[token]")
        text = "".join(c if c.isprintable() else " " for c in text)[:300]
        return f": {text}" if text else ""

    def _hint(self, status: int) -> str:
        if status in {401, 403}:
            return f"the token from {self._account.origin} may not read it: ask its owner, or use another"
        if status == 404:
            return "correct collection, experiment and channel under params"
        if status < 400:
            return "the token is not carried elsewhere: write the Boss's own address as host"
        return "correct ingest_job.extent, the offsets or the resolution" if status == 400 else ""


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
