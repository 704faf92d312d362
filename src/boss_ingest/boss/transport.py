"""One request to the Boss: bounded in time and size, encrypted, never redirected, never repeated here."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from pydantic import SecretStr
from yarl import URL

from boss_ingest import __version__
from boss_ingest.boss.answers import Answer
from boss_ingest.config.hosts import is_loopback
from boss_ingest.config.http_time import retry_after_s
from boss_ingest.config.proxies import proxy_for
from boss_ingest.config.trust import trust_of, untrusted
from boss_ingest.errors import ConfigError, TransientError

_MOST_BYTES = 32 << 20


class NeverSentError(TransientError):
    """No connection came about, so the Boss has not seen the request."""


class _BrokenOffError(aiohttp.ClientError):
    """The connection ended under a request, which may have had its effect."""


class Transport:
    """An HTTP session with one Boss. An async context manager."""

    def __init__(
        self, base_url: str, token: SecretStr, *, allow_http: bool, ca_bundle: Path | None, timeout_s: float
    ) -> None:
        self._base_url = _checked(base_url, allow_http=allow_http)
        self._token = token
        self._ca_bundle = ca_bundle
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Transport({self._base_url!r})"

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trust_of(self._ca_bundle)),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_once,),
            headers={"User-Agent": f"boss-ingest/{__version__}"},
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
        doing: str,
        method: str,
        path: str,
        *,
        json: Mapping[str, object] | None = None,
        accept: str = "application/json",
        most_bytes: int = _MOST_BYTES,
        timeout_s: float | None = None,
    ) -> Answer:
        """Send one request and read the whole answer, whatever it is.

        `path` starts after the version and is already escaped. Raises TransientError when there is no
        answer (NeverSentError when there was no request), GaveUpError when the certificate is not trusted.
        """
        assert self._session is not None, "use `async with`"
        url = URL(f"{self._base_url}/v1/{path}", encoded=True)
        headers = {"Authorization": f"Token {self._token.get_secret_value()}", "Accept": accept}
        timeout = _timeout(timeout_s or self._timeout_s)
        try:
            async with self._session.request(
                method,
                url,
                json=json,
                headers=headers,
                allow_redirects=False,
                proxy=proxy_for(str(url)),
                timeout=timeout,
            ) as response:
                body = await _read(response, most_bytes, doing)
                return self._answer(response, body)
        # None of these is chained: aiohttp's errors can carry the request's headers, and with them the token.
        except aiohttp.ClientConnectorCertificateError as error:
            raise untrusted(
                doing, f"{error.host}:{error.port}", error.certificate_error, ca_bundle=self._ca_bundle
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise NeverSentError(
                f"{doing}: no connection to {self._base_url}: {error.strerror or error.os_error}",
                hint="is the host right, is it up, does this machine reach it?",
            ) from None
        except aiohttp.ConnectionTimeoutError:
            raise NeverSentError(f"{doing}: no connection to {self._base_url} in time") from None
        except TimeoutError:
            raise TransientError(f"{doing}: the Boss did not answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            why = error if isinstance(error, _BrokenOffError) else type(error).__name__
            raise TransientError(f"{doing}: the connection broke ({why})") from None

    def _answer(self, response: aiohttp.ClientResponse, body: bytes) -> Answer:
        if response.status >= 400:  # some debug pages repeat the request
            body = body.replace(self._token.get_secret_value().encode(), b"[token]")
        return Answer(
            status=response.status,
            body=body,
            retry_after_s=retry_after_s(response.headers.get("Retry-After", "")),
            location=_place(response.headers.get("Location", "")),
        )


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keeps aiohttp from repeating a broken GET or DELETE by itself: it could not tell us that it did."""
    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenOffError(type(error).__name__) from None


def _place(location: str) -> str:
    """A redirect's target without its query, which may hold what is nobody's business."""
    parts = urllib.parse.urlsplit(location)
    return f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path


def _checked(base_url: str, *, allow_http: bool) -> str:
    parts = urllib.parse.urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ConfigError(
            f"{parts.scheme}://{parts.hostname or ''} is no address of a Boss", hint="write https://host"
        )
    if parts.scheme == "http" and not allow_http and not is_loopback(parts.netloc):
        raise ConfigError(
            f"http://{parts.netloc} would carry the token over the network for all to read",
            hint='set client.backend.protocol to "https", or say --allow-http',
        )
    return base_url.rstrip("/")


def _timeout(total_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total_s, sock_connect=min(15.0, total_s), sock_read=total_s)


async def _read(response: aiohttp.ClientResponse, most_bytes: int, doing: str) -> bytes:
    body = bytearray()
    async for piece in response.content.iter_chunked(1 << 18):
        body += piece
        if len(body) > most_bytes:
            raise TransientError(f"{doing}: the answer is longer than {most_bytes:,} bytes")
    return bytes(body)
