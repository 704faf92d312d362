"""Which certificates are trusted: this machine's own, or those of a CA bundle in their place."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Literal

from boss_ingest.errors import GaveUpError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

_UNKNOWN_AUTHORITY = {2, 18, 19, 20, 21}
"""OpenSSL's codes for a certificate that nobody whom we trust has signed."""


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


def untrusted(what: str, host: str, error: Exception, *, ca_bundle: Path | None) -> GaveUpError:
    """The error of a request to a host whose certificate does not stand the check: no other try will help."""
    assert isinstance(error, ssl.SSLCertVerificationError)
    why = str(error.verify_message).rstrip(".")
    if error.verify_code not in _UNKNOWN_AUTHORITY:
        hint = "is the host's name right, and this machine's clock? else its certificate must be renewed"
    elif ca_bundle is None:
        hint = "if your site signs its own certificates, name the file of its authority with --ca-bundle"
    else:
        hint = (
            f"the CA bundle {ca_bundle} takes the place of this machine's own: name a file with --ca-bundle "
            "that holds the authorities of the Boss, SQS and S3 alike"
        )
    return GaveUpError(f"{what}: no trusted connection to {host}: {why}", hint=hint)
