"""Images from a web server: one session, a bounded number of connections, bounded bytes, times and redirects.

What a server says becomes an error of ours: 404 and 410 a MissingSourceError, 403 a ForbiddenSourceError, all
else a SourceError, which the engine tries again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from boss_ingest.errors import ConfigError, MissingSourceError, Problem, SourceAwayError, SourceError

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

CONNECTIONS = 16
MOST_REDIRECTS = 5

_CONNECT_S = 15.0
_SILENCE_S = 30.0  # between two pieces of an answer
_TOTAL_S = 90.0
_REDIRECTS = (301, 302, 303, 307, 308)
_PIECE_BYTES = 1 << 16


class ForbiddenSourceError(SourceError):
    """The server answered 403; some answer that for what they do not have."""


class HttpImages:
    """Gets images, each of `most_bytes` at most."""

    def __init__(
        self,
        *,
        most_bytes: int,
        connections: int = CONNECTIONS,
        total_s: float = _TOTAL_S,
        silence_s: float = _SILENCE_S,
    ) -> None:
        self._most_bytes = most_bytes
        self._connections = connections
        self._total_s, self._silence_s = total_s, silence_s
        self._session: aiohttp.ClientSession | None = None

    async def read(self, url: str) -> bytes:
        """The body as it is. Raises SourceError naming the URL, without the password that it may hold."""
        import asyncio

        import aiohttp

        name = without_password(url)
        try:
            async with asyncio.timeout(self._total_s):
                return await self._follow(url)
        except TimeoutError as error:
            raise SourceError(
                f"{name} was not answered in time", hint="is the server overloaded, or the network slow?"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise SourceAwayError(f"{name} cannot be read: {str(error) or type(error).__name__}") from error

    async def close(self) -> None:
        """Close all connections; safe to repeat."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=self._total_s, sock_connect=_CONNECT_S, sock_read=self._silence_s
                ),
                headers={"Accept-Encoding": "identity", "User-Agent": "boss-ingest"},
            )
        return self._session

    async def _follow(self, text: str) -> bytes:
        from yarl import URL

        session, url = self._open(), URL(text)
        for _ in range(MOST_REDIRECTS + 1):
            async with session.get(url, allow_redirects=False) as answer:
                if answer.status not in _REDIRECTS:
                    return await self._body(answer, without_password(text))
                url = _redirected(url, answer.headers.get("Location", ""))
        raise SourceError(f"{without_password(text)} was redirected more than {MOST_REDIRECTS} times")

    async def _body(self, answer: aiohttp.ClientResponse, name: str) -> bytes:
        if answer.status in (404, 410):
            raise MissingSourceError(f"{name} is not there: the server answered {answer.status}")
        if answer.status == 403:
            raise ForbiddenSourceError(
                f"{name} may not be read: the server answered 403",
                hint="some servers answer that for tiles they do not have: if yours does, and these are "
                'to be zeros, set `"zeros_on_403": true` under client.tile_processor.params',
            )
        if answer.status != 200:
            kind = SourceAwayError if answer.status >= 500 or answer.status == 429 else SourceError
            raise kind(f"{name} cannot be read: the server answered {answer.status} {answer.reason}")
        pieces: list[bytes] = []
        size_bytes = answer.content_length or 0
        if size_bytes <= self._most_bytes:
            size_bytes = 0
            async for piece in answer.content.iter_chunked(_PIECE_BYTES):
                pieces.append(piece)
                size_bytes += len(piece)
                if size_bytes > self._most_bytes:
                    break
        if size_bytes > self._most_bytes:
            raise SourceError(
                f"{name} has more than {self._most_bytes} bytes, too many for the image of one tile",
                hint="correct url, or ingest_job.tile_size",
            )
        return b"".join(pieces)


def check_url(url: str, *, where: str, ends_with: str = "") -> None:
    """Raises ConfigError unless it is an http(s) URL with such an end; `where` it stands in the job file."""
    from yarl import URL

    try:
        parsed = URL(url)
        right = parsed.scheme in {"http", "https"} and bool(parsed.host) and url.endswith(ends_with)
    except ValueError:
        right = False
    if not right:
        rule = "must be an http:// or https:// URL" + (f" that ends with {ends_with}" if ends_with else "")
        problem = Problem(where, repr(without_password(url)), rule, "write it like https://host/path/")
        raise ConfigError("the images cannot be read", problems=(problem,))


def without_password(url: str) -> str:
    """The URL for people: without user and password."""
    before, separator, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{before}{separator}{host.rpartition('@')[2]}{slash}{path}"


def _redirected(url: URL, location: str) -> URL:
    from yarl import URL

    name = without_password(str(url))
    try:
        following = url.join(URL(location))
    except ValueError:
        following = URL()
    if not location or following.scheme not in {"http", "https"} or not following.host:
        raise SourceError(f"{name} redirects to {without_password(location)!r}, which is no http(s) URL")
    if url.scheme == "https" and following.scheme == "http":
        raise SourceError(
            f"{name} redirects to {without_password(str(following))}, which is not encrypted",
            hint="if that is right, give the http:// URL in the job file",
        )
    return following
