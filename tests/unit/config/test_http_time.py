"""Seconds or a date, from whatever a server or something in between writes there."""

import time
from email.utils import formatdate

import pytest

from boss_ingest.config.http_time import retry_after_s, timestamp_s


def test_a_date_is_unix_time() -> None:
    assert timestamp_s("Thu, 01 Jan 1970 00:01:40 GMT") == 100.0
    assert timestamp_s(formatdate(1_800_000_000, usegmt=True)) == 1_800_000_000


@pytest.mark.parametrize("header", ["", "soon", "Thu, 99 Jan 1970 00:00:00 GMT", "1e3", "-5", "٣"])
def test_what_is_no_time_asks_for_no_wait(header: str) -> None:
    assert timestamp_s(header) is None
    assert retry_after_s(header) == 0.0


@pytest.mark.parametrize(("header", "wait_s"), [("7", 7.0), (" 99999 ", 99999.0), ("0", 0.0)])
def test_seconds_are_taken_as_they_are(header: str, wait_s: float) -> None:
    assert retry_after_s(header) == wait_s


def test_a_date_is_waited_for_unless_it_is_over() -> None:
    assert 20 < retry_after_s(formatdate(time.time() + 30, usegmt=True)) <= 30
    assert retry_after_s(formatdate(0, usegmt=True)) == 0.0
