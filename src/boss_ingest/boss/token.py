"""Finds the user's token of the Boss, and tells where it came from, never what it is.

The places, first hit wins: a token file or a token given explicitly, `INTERN_TOKEN`, `~/.intern/intern.cfg`
as intern writes it, `token.json` in the working directory (docs/protocol.md, "Requests and errors").
"""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from boss_ingest.config.hosts import host_name
from boss_ingest.errors import NotAllowedError

_SECTIONS = ("Default", "Project Service")
_MOST_CHARACTERS = 65536
_ODD = re.compile(r"[^A-Za-z0-9._~+/=-]")


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and the place it was found in, for people to read."""

    secret: SecretStr
    origin: str


def find_token(
    *,
    token_file: Path | None = None,
    api_token: str | SecretStr | None = None,
    host: str = "",
    env: Mapping[str, str],
    home: Path,
    cwd: Path,
) -> Token:
    """The first token found. Raises NotAllowedError: none anywhere, or one that cannot be a token.

    A token given explicitly is used or refused, never passed over. `host` is the Boss it is for: the origin
    says so when intern.cfg holds a token for another.
    """
    if token_file is not None:
        return _explicit(token_file)
    if isinstance(api_token, SecretStr):
        api_token = api_token.get_secret_value()
    if api_token is not None:
        return _token(api_token, "the token given on the command line")
    if env.get("INTERN_TOKEN", "").strip():
        return _token(env["INTERN_TOKEN"], "the environment variable INTERN_TOKEN")
    intern_cfg, token_json = home / ".intern" / "intern.cfg", cwd / "token.json"
    token = _from_intern(intern_cfg, host) or _from_json(token_json)
    if token is not None:
        return token
    raise NotAllowedError(
        "there is no token for the Boss" + (f" {host}" if host else ""),
        hint="looked at: --token-file, --api-token, the environment variable INTERN_TOKEN, "
        f"{intern_cfg} (key token in [{_SECTIONS[0]}] or [{_SECTIONS[1]}]), {token_json}; "
        "copy the token from the Boss's web page into one of them",
    )


def _explicit(path: Path) -> Token:
    text = _text(path)
    if text is None:
        raise NotAllowedError(f"there is no token file {path}", hint="it holds the token and nothing else")
    return _token(_bare(text, path), str(path))


def _from_intern(path: Path, host: str) -> Token | None:
    text = _text(path)
    if text is None:
        return None
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        line = f", line {error.lineno}" if isinstance(error, configparser.MissingSectionHeaderError) else ""
        raise NotAllowedError(  # not chained: the parser's message repeats the line, and with it the token
            f"{path}{line} is not as intern writes it", hint="it wants [Default] and, below, token = ..."
        ) from None
    for section in _SECTIONS:
        secret = parser.get(section, "token", fallback="").strip()
        if secret:
            written_for = parser.get(section, "host", fallback="").strip()
            foreign = host and written_for and host_name(written_for) != host_name(host)
            origin = f"{path} [{section}]" + (f", written for {written_for}" if foreign else "")
            return _token(secret, origin)
    return None


def _from_json(path: Path) -> Token | None:
    text = _text(path)
    return None if text is None else _token(_bare(text, path), str(path))


def _bare(text: str, path: Path) -> str:
    """The token in `{"token": "..."}` or `"..."`, or the text itself when it is neither."""
    if not text.lstrip().startswith(("{", '"')):
        return text
    try:
        data = json.loads(text)
    except ValueError:
        data = None
    found = data.get("token") if isinstance(data, dict) else data
    if not isinstance(found, str):
        raise NotAllowedError(f"{path} holds no token", hint='write {"token": "..."} there')
    return found


def _token(text: str, origin: str) -> Token:
    text = text.strip()
    if not text:
        raise NotAllowedError(f"{origin} is empty", hint="the token goes there, without anything around it")
    odd = _ODD.search(text)
    if odd is not None:
        raise NotAllowedError(
            f"{origin} holds no token: character {odd.start() + 1} of {len(text)} can be in none",
            hint="a token is letters and digits without blanks or quotes; copy it anew",
        )
    return Token(SecretStr(text), origin)


def _text(path: Path) -> str | None:
    """The start of a text file; None when there is no such file."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.read(_MOST_CHARACTERS)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        raise NotAllowedError(
            f"{path} is not a text", hint="the token belongs there, as plain text"
        ) from None
    except OSError as error:
        raise NotAllowedError(f"{path} cannot be read: {error.strerror or error}") from error
