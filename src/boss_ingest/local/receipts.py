"""Receipt handles: what proves to a queue which delivery of which message is meant."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct

_CLAIM = struct.Struct(">QQ")
_FILLER_BYTES = 250
"""Makes handles about as long (376 characters) as the real ones, which is what fills object metadata."""


class Receipts:
    """Writes and reads the handles of one queue; `secret` tells them from those of any other."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def write(self, message: int, delivery: int) -> str:
        """The handle of the `delivery`th delivery of a message."""
        claim = _CLAIM.pack(message, delivery)
        seal = hmac.digest(self._secret, claim, "sha256")[:16]
        filler = hashlib.shake_128(seal).digest(_FILLER_BYTES)
        return base64.b64encode(claim + seal + filler).decode()

    def read(self, handle: str) -> tuple[int, int] | None:
        """The message and the delivery, or None when this queue never wrote such a handle."""
        try:
            raw = base64.b64decode(handle, validate=True)
            claim = raw[: _CLAIM.size]
            message, delivery = _CLAIM.unpack(claim)
        except (ValueError, struct.error):
            return None
        seal = hmac.digest(self._secret, claim, "sha256")[:16]
        if not hmac.compare_digest(seal, raw[_CLAIM.size : _CLAIM.size + 16]):
            return None
        return message, delivery

    def message_id(self, message: int) -> str:
        """The id of a message, the same at every delivery."""
        name = hmac.digest(self._secret, b"id%d" % message, "sha256").hex()
        return f"{name[:8]}-{name[8:12]}-4{name[13:16]}-8{name[17:20]}-{name[20:32]}"
