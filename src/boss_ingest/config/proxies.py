"""Which proxy a request goes through: what the environment names, and none for this machine itself."""

from __future__ import annotations

import urllib.request
from urllib.parse import urlsplit

from boss_ingest.config.hosts import is_loopback


def proxy_for(url: str) -> str | None:
    """The proxy that HTTPS_PROXY, HTTP_PROXY or the system's settings name for `url`; NO_PROXY is heard."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)
