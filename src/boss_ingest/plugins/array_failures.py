"""What tensorstore says when something fails, in a line a person can use: the fact, and no settings dump."""

from __future__ import annotations

import re

from boss_ingest.errors import MissingSourceError, SourceAwayError, SourceError
from boss_ingest.plugins.array_location import without_secrets
from boss_ingest.plugins.outages import kind_of

FAILURES = (ValueError, IndexError, NotImplementedError, OSError)
"""All that tensorstore raises (TimeoutError is an OSError)."""

_ANNOTATION = re.compile(
    r" \[[\w.\- ]+="
)  # [tensorstore_spec='…'] [source locations='…'] [http_response_body='…']
_CODE = re.compile(r"\A([A-Z_]+): ")
_OPENING = re.compile(r'\AError (?:opening|reading) "[\w]+" driver: ')
_NUMBER = re.compile(r"\[os_error_code='(\d+)'\]")
_STATUS = re.compile(r"HTTP code (\d{3})|http_response_code='(\d{3})'")


def unreadable(where: str, error: Exception, *, hint: str = "") -> SourceError:
    """The error for something at `where` that could not be read."""
    text = str(error)
    if isinstance(error, TimeoutError):
        return SourceError(f"{where} did not answer in time", hint="is the disk or its server overloaded?")
    code = found[1] if (found := _CODE.match(text)) else ""
    status = next((a or b for a, b in _STATUS.findall(text)), "")
    fact = fact_of(error)
    if code in {"PERMISSION_DENIED", "UNAUTHENTICATED"}:
        told = f"access is refused{f' (HTTP {status})' if status else ''}"
        hint = 'check your credentials; "anonymous": true reads public data without any'
        return SourceError(f"{where} cannot be read: {told}", hint=hint)
    if status.startswith("3"):
        told = f"its server sends us elsewhere (HTTP {status})"
        return SourceError(f"{where} cannot be read: {told}", hint="name the URL that a browser ends up at")
    if code in {"ABORTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"}:
        hint = "does its server answer? it was asked several times"
        return SourceAwayError(f"{where} cannot be read: {fact}", hint=hint)
    number = int(found[1]) if (found := _NUMBER.search(text)) else None
    kind = kind_of(number)
    return (SourceError if kind is MissingSourceError else kind)(f"{where} cannot be read: {fact}", hint=hint)


def fact_of(error: Exception) -> str:
    """The first line of the error's own words."""
    text = _ANNOTATION.split(str(error), maxsplit=1)[0]
    text = _OPENING.sub("", _CODE.sub("", text))
    return without_secrets(text.partition("\n")[0]) or type(error).__name__


def is_missing_chunk(error: Exception) -> bool:
    """Whether a stored chunk is not there (and "fill" is not allowed)."""
    return str(error).startswith("NOT_FOUND")
