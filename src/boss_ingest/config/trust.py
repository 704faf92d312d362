"""Which certificates are trusted: this machine's own, or those of a CA bundle in their place."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Literal

from boss_ingest.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


def trust_of(ca_bundle: Path | None) -> ssl.SSLContext | Literal[True]:
    """What certificates are checked against: True is what aiohttp has read of the machine's own already.

    Raises UsageError when the bundle is not a file of certificates.
    """
    if ca_bundle is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:
        raise UsageError(
            f"the CA bundle {ca_bundle} cannot be used: {error.strerror or error}",
            hint="it must be a file of PEM certificates",
        ) from error
