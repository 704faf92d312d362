"""Only this machine may be spoken to in the clear."""

from __future__ import annotations

import pytest

from boss_ingest.config.hosts import host_name, is_loopback


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:80", "127.0.0.1", "127.8.9.1:8123", "::1", "[::1]:8123"]
)
def test_this_machine_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["api.bossdb.io", "localhost.example.org", "127.0.0.1.nip.io", "10.0.0.1:80", "0.0.0.0", "", "[fe80::1]"],
)
def test_every_other_host_is_not(host: str) -> None:
    assert not is_loopback(host)


def test_a_port_is_no_part_of_the_name() -> None:
    assert host_name("boss.example.org:8443") == "boss.example.org"
    assert host_name("[::1]:80") == "::1"
    assert host_name("::1") == "::1"
