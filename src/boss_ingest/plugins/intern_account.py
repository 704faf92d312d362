"""Which Boss is read from, and with whose token: from the params, or from intern's own configuration.

That is the file `~/.intern/intern.cfg`, or INTERN_HOST, INTERN_PROTOCOL and INTERN_TOKEN in the environment;
with neither, BossDB's token for everybody. Errors name where a token was found, never the token.
"""

from __future__ import annotations

import configparser
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from boss_ingest.config.hosts import is_loopback
from boss_ingest.errors import ConfigError

DEFAULT_HOST = "api.bossdb.io"
EVERYBODY = "public"
"""The token BossDB gives to everybody; it reads what is public."""

_SECTIONS = ("Volume Service", "Default")
_VARIABLES = ("INTERN_HOST", "INTERN_PROTOCOL", "INTERN_TOKEN")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d+)?")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
_MOST_CHARACTERS = 65536


@dataclass(frozen=True, slots=True)
class Account:
    """A Boss and a token for it, and where both were found, for people to read."""

    host: str
    protocol: str
    token: SecretStr
    origin: str

    @property
    def url(self) -> str:
        """The Boss's base address."""
        return f"{self.protocol}://{self.host}"


def find_account(
    *, token: SecretStr | None, host: str | None, protocol: str | None, allow_http: bool, section: str
) -> Account:
    """The Boss that the params of `section` mean. Raises ConfigError.

    A host named without a token must be the one that intern is configured for: no token goes elsewhere.
    """
    if token is not None:
        found = Account(host or DEFAULT_HOST, protocol or "https", token, f"{section}.params")
    else:
        found = _configured() or Account(
            host or DEFAULT_HOST, protocol or "https", SecretStr(EVERYBODY), "BossDB's token for everybody"
        )
        if (host or found.host, protocol or found.protocol) != (found.host, found.protocol):
            raise ConfigError(
                f"{section}.params names the Boss {protocol or found.protocol}://{host or found.host}, "
                f"{found.origin} has a token for {found.url}",
                hint="give a token beside it, or leave host and protocol out",
            )
    return _checked(found, allow_http=allow_http)


def token_in(path: Path) -> SecretStr:
    """The token in a file: by itself, or as {"token": "..."}. Raises ConfigError."""
    text = _text(path)
    if text is None:
        raise ConfigError(f"there is no token file {path}", hint="it holds the token and nothing else")
    try:
        data = json.loads(text)
    except ValueError:
        data = text.strip()
    found = data.get("token") if isinstance(data, dict) else data
    return SecretStr(found if isinstance(found, str) else text.strip())


def _configured() -> Account | None:
    """As intern itself is configured: its file, or else all three variables of the environment."""
    path = Path.home() / ".intern" / "intern.cfg"
    given = _from_file(path)
    if given is not None:
        return given
    host, protocol, token = (os.environ.get(name, "").strip() for name in _VARIABLES)
    if host and protocol and token:
        return Account(host, protocol, SecretStr(token), "the environment (INTERN_HOST)")
    return None


def _from_file(path: Path) -> Account | None:
    text = _text(path)
    if text is None:
        return None
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:  # its message repeats the line, and with it the token
        raise ConfigError(
            f"{path} is not as intern writes it", hint="it wants [Default] and, below, host, protocol, token"
        ) from None
    section = next((name for name in _SECTIONS if parser.has_section(name)), None)
    keys = ("host", "protocol", "token")
    host, protocol, token = (parser.get(section, key, fallback="") for key in keys) if section else ("",) * 3
    if not token:
        return None
    # intern itself wants all three; boss-ingest has always been content with the token
    return Account(host or DEFAULT_HOST, protocol or "https", SecretStr(token), f"{path} [{section}]")


def _text(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.read(_MOST_CHARACTERS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {type(error).__name__}") from None


def _checked(found: Account, *, allow_http: bool) -> Account:
    if not _HOST.fullmatch(found.host) or found.protocol not in {"https", "http"}:
        raise ConfigError(
            f"the Boss in {found.origin} has no address that can be used: protocol and host",
            hint='write them as "https" and "api.bossdb.io"',
        )
    if not _TOKEN.fullmatch(found.token.get_secret_value()):
        raise ConfigError(
            f"the token in {found.origin} has characters that no token has",
            hint="a token is letters and digits without blanks or quotes; copy it anew",
        )
    if found.protocol == "http" and not allow_http and not is_loopback(found.host):
        raise ConfigError(
            f"{found.url} ({found.origin}) would carry the token over the network for all to read",
            hint='set the protocol to "https", or allow it with `"allow_http": true` beside it',
        )
    return found
