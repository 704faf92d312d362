"""Which Boss to talk to, and as whom: the options every command shares, and what they open."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from boss_ingest.errors import UsageError

if TYPE_CHECKING:
    from boss_ingest.boss.client import BossClient
    from boss_ingest.config.job_file import JobFile

DEFAULT_HOST = "api.bossdb.io"

_FILE = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Connection:
    """What the user said about where the Boss is and how to be let in."""

    host: str | None
    token_file: Path | None
    api_token: str | None = field(repr=False)
    allow_http: bool
    ca_bundle: Path | None
    local: Path | None

    def absolute(self) -> Connection:
        """The same from every working directory."""
        token_file = self.token_file.absolute() if self.token_file else None
        ca_bundle = self.ca_bundle.absolute() if self.ca_bundle else None
        return replace(self, token_file=token_file, ca_bundle=ca_bundle)

    def base_url(self, job: JobFile | None = None) -> str:
        """The Boss asked for by name, else that of the job file, else BossDB."""
        if self.host:
            return _url(self.host)
        if job is not None:
            return job.backend.base_url
        return f"https://{DEFAULT_HOST}"


def _url(host: str) -> str:
    """The base URL of what --host names. Raises UsageError when that is no host."""
    url = host.rstrip("/") if "://" in host else f"https://{host.rstrip('/')}"
    try:
        parts = urlsplit(url)
        more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
        right = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and not more
    except ValueError:  # a port that is none
        right = False
    if not right:
        secretive = any(mark in host for mark in "@?#")  # a password or a token may stand there
        raise UsageError(
            f"--host {'with a user, a query or a fragment' if secretive else host} names no Boss",
            hint=f"write a host or its URL, such as {DEFAULT_HOST}",
        )
    return url


_OPTIONS = [
    click.option("--host", help=f"The Boss: host or URL  [default: the job's, or {DEFAULT_HOST}]"),
    click.option("--token-file", type=_FILE, help="A file that holds the API token."),
    click.option("--api-token", help="The API token itself; others on this machine can see it."),
    click.option("--allow-http", is_flag=True, help="Send the token unencrypted over a network."),
    click.option("--ca-bundle", type=_FILE, help="Certificates to trust, for a Boss with its own CA."),
    click.option("--local", type=_FILE, metavar="DIR", help="Use a local Boss that keeps its data in DIR."),
]


def connection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say which Boss, and as whom."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_connection(options: dict[str, Any]) -> Connection:
    """Take the options of `connection_options` out of a command's keyword arguments."""
    names = ("host", "token_file", "api_token", "allow_http", "ca_bundle", "local")
    return Connection(**{name: options.pop(name) for name in names})


@asynccontextmanager
async def open_boss(
    connection: Connection, base_url: str, *, say: Callable[[str], None], on_paper: bool = False
) -> AsyncIterator[BossClient]:
    """A client of the Boss the user means; with --local, of one that runs as long as the block does.

    With `on_paper` no collection, frame, experiment or channel is made that it is asked to make.
    """
    from boss_ingest.boss.client import BossClient
    from boss_ingest.boss.on_paper import OnPaper
    from boss_ingest.boss.token import find_token

    kind = OnPaper if on_paper else BossClient

    if connection.local is not None:
        from boss_ingest.cli.local_process import local_boss

        async with local_boss(connection.local) as running, kind(running.url, running.token) as boss:
            say(f"local Boss: {running.url}, data in {connection.local}")
            yield boss
        return
    token = find_token(
        token_file=connection.token_file,
        api_token=connection.api_token,
        host=base_url,
        env=os.environ,
        home=_home(),
        cwd=Path.cwd(),
    )
    say(f"Boss: {base_url}, token from {token.origin}")
    if connection.api_token:
        say("warning: a token on the command line can be seen by others on this machine; use --token-file")
    async with kind(
        base_url, token.secret, allow_http=connection.allow_http, ca_bundle=connection.ca_bundle
    ) as boss:
        yield boss


def _home() -> Path:
    """The user's home directory; the working directory for a user who has none, as in some containers."""
    try:
        return Path.home()
    except RuntimeError:
        return Path.cwd()
