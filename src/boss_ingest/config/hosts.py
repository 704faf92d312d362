"""Which hosts may be spoken to in the clear: a token must not cross a network unencrypted."""

from __future__ import annotations

import ipaddress


def host_name(host: str) -> str:
    """The name or address of `host` without its port and brackets: `[::1]:8123` is `::1`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    name, colon, port = host.rpartition(":")
    return name if colon and ":" not in name and port.isdigit() else host


def is_loopback(host: str) -> bool:
    """Whether `host` (a port may follow) is this machine: localhost, 127.0.0.0/8 or ::1."""
    name = host_name(host).lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
