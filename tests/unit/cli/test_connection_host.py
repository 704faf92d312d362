"""`--host`: what names no Boss is refused, and a password that stands in it is not repeated."""

from __future__ import annotations

import pytest

from boss_ingest.cli.connection import _url
from boss_ingest.errors import UsageError


@pytest.mark.parametrize(
    "host",
    ["https://user:hunter2@boss.example", "user:hunter2@boss.example", "https://user:hunter2@boss.example:x",
     "https://user:hunter2@", "https://boss.example/?token=hunter2", "https://boss.example#hunter2"],
)  # fmt: skip
def test_a_password_in_the_host_is_refused_and_not_repeated(host: str) -> None:
    with pytest.raises(UsageError, match="names no Boss") as caught:
        _url(host)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("host", ["ftp://boss.example", "boss.example:0", "boss.example/v1", "https://"])
def test_what_names_no_boss_is_refused_as_it_was_written(host: str) -> None:
    with pytest.raises(UsageError, match="names no Boss") as caught:
        _url(host)
    assert host in str(caught.value)


def test_a_host_or_its_url_is_taken() -> None:
    assert _url("boss.example:8443/") == "https://boss.example:8443"
    assert _url("http://[::1]:8123") == "http://[::1]:8123"
