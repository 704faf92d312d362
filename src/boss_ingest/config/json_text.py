"""Reads JSON that people write by hand, and points at the character where it stops being JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from boss_ingest.errors import ConfigError

_MOST_BYTES = 16 << 20
_MOST_LEVELS = 64


def read_json_object(path: Path) -> dict[str, Any]:
    """The JSON object in the file. Raises ConfigError: no such file, not text, not JSON, not an object."""
    text = _text(path)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
            raise ConfigError(
                f'{path} has the key "{twice}" twice in one object', hint="keep the one that is meant"
            )
        return found

    def no_number(constant: str) -> NoReturn:
        raise ConfigError(f"{path} holds {constant}, which is not JSON", hint="write a number")

    try:
        data = json.loads(text, object_pairs_hook=unique, parse_constant=no_number)
    except json.JSONDecodeError as error:
        raise _not_json(path, text, error) from None
    except RecursionError:
        raise _too_deep(path) from None
    except ValueError:  # the only other: Python reads no number of more than 4300 digits
        raise ConfigError(
            f"{path} holds a number of thousands of digits", hint="write a smaller one"
        ) from None
    if not isinstance(data, dict):
        raise ConfigError(
            f"{path} holds no JSON object",
            hint="a job file is one object with schema, client, database and ingest_job",
        )
    if _levels(data) > _MOST_LEVELS:
        raise _too_deep(path)
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.end].encode(errors="backslashreplace").decode()
        raise ConfigError(
            f"{path} holds {half}, half of a character", hint="write the character itself"
        ) from None
    return data


def _levels(data: object) -> int:
    """How deep lists and objects are nested."""
    found, level = 0, [data]
    while level:
        found += 1
        level = [
            child
            for each in level
            for child in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
    return found


def _too_deep(path: Path) -> ConfigError:
    return ConfigError(f"{path} is nested too deeply to be a job file")


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            body = file.read(_MOST_BYTES + 1)
        if len(body) > _MOST_BYTES:
            raise ConfigError(f"{path} is larger than any job file", hint="is it the data itself?")
        return body.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no job file {path}", hint=f"looked for it in {Path.cwd()}; give its path"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{path} is not a text in UTF-8: byte {error.start} is 0x{error.object[error.start]:02x}",
            hint="save it as UTF-8",
        ) from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error


def _not_json(path: Path, text: str, error: json.JSONDecodeError) -> ConfigError:
    lines = text.splitlines() or [""]
    line = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
    start = max(0, error.colno - 61)  # a file on one endless line: show the part around the place
    shown = line[start : start + 100].replace("\t", " ")
    place = f"{path}, line {error.lineno}, column {error.colno}"
    caret = " " * (error.colno - 1 - start) + "^"
    hint = "JSON has no comments, no comma after the last item, and only double quotes"
    return ConfigError(f"{place}: this is not JSON: {error.msg}\n    {shown}\n    {caret}", hint=hint)
