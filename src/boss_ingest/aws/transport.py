"""One request to SQS or S3: signed, bounded in time and size, never redirected, never repeated here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import aiohttp
from yarl import URL

from boss_ingest import __version__
from boss_ingest.aws.body import MemoryBody
from boss_ingest.aws.failures import BrokenOffError, no_answer
from boss_ingest.config.hosts import is_loopback
from boss_ingest.config.proxies import proxy_for
from boss_ingest.config.trust import trust_of
from boss_ingest.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from boss_ingest.aws.bucket import Body
    from boss_ingest.aws.signing import Signer

_CONNECT_LIMIT_S = 10.0
_SILENCE_LIMIT_S = 60.0
"""The longest wait for the next byte of an answer, once the body is sent; above SQS's long poll of 20 s."""

_MOST_BYTES = 16 << 20
_AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, whatever it says."""

    status: int
    headers: Mapping[str, str]  # names in any case
    body: bytes


class Transport:
    """HTTP with one service at one base URL, on up to `connections` connections. An async context manager.

    It `is_private` when nobody can change what is on its way: encrypted, or never leaving this machine.
    """

    def __init__(
        self, service: str, base_url: str, signer: Signer, *, connections: int, ca_bundle: Path | None
    ) -> None:
        self._service = service
        self._signer = signer
        self._connections = connections
        self._ca_bundle = ca_bundle
        self._trust = trust_of(ca_bundle)
        self._url = URL(base_url)
        self._prefix = self._url.raw_path.rstrip("/")
        self._origin = str(self._url.origin())
        self._host = self._url.host_port_subcomponent or ""
        self._proxy = proxy_for(base_url)
        self.is_private = self._url.scheme == "https" or is_loopback(self._url.host or "")
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._trust, limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_once,),
            headers={"User-Agent": f"boss-ingest/{__version__}"},
            skip_auto_headers=_AUTOMATIC,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_LIMIT_S, sock_read=_SILENCE_LIMIT_S
            ),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def send(
        self,
        what: str,
        method: str,
        path: str,
        headers: dict[str, str],
        body: Body,
        *,
        payload: str,
        limit_s: float,
    ) -> Answer:
        """Send one request and read the whole answer, within `limit_s`.

        `path` starts with a slash and is escaped; names of `headers`, which is added to, are in lower
        case; `payload` is what the signature says of the body. Raises TransientError when there is no answer,
        GaveUpError when the certificate is not trusted.
        """
        assert self._session is not None, "use `async with`"
        path = self._prefix + path
        headers["host"] = self._host
        self._signer.sign(self._service, method, path, headers, payload)
        request = self._session.request(
            method,
            URL(self._origin + path, encoded=True),
            data=MemoryBody(body),
            headers=headers,
            allow_redirects=False,
            proxy=self._proxy,
        )
        try:
            async with asyncio.timeout(limit_s), request as response:
                return Answer(response.status, response.headers, await _read(response, what))
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            raise no_answer(what, error, limit_s=limit_s, ca_bundle=self._ca_bundle) from None


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps aiohttp from sending a PUT again whose connection broke: whoever calls decides on that."""
    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        raise BrokenOffError from None


async def _read(response: aiohttp.ClientResponse, what: str) -> bytes:
    if response.content.at_eof():
        return b""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > _MOST_BYTES:
            raise TransientError(f"{what}: the answer is longer than {_MOST_BYTES:,} bytes", code="TooLong")
    return bytes(body)
