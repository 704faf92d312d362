"""The times that HTTP headers tell: `Date`, and the seconds or the date of `Retry-After`."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime


def timestamp_s(http_date: str) -> float | None:
    """Unix time of a date; None when it is none."""
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def retry_after_s(header: str) -> float:
    """How long to wait from now, as `Retry-After` has it; 0 when it says nothing, or what is over."""
    told = header.strip()
    if told.isascii() and told.isdigit():
        return float(told)
    at_s = timestamp_s(told)
    return 0.0 if at_s is None else max(0.0, at_s - time.time())
