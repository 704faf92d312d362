"""AWS Signature Version 4, the client's side: the header that proves a request to be the job's.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Botocore's
signer gives the same signatures at six times the cost: it parses the request it has just made.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boss_ingest.aws.clock import Clock
    from boss_ingest.aws.keys import Keys

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"


class Signer:
    """Signs requests in one region with the keys last given to `use`."""

    def __init__(self, region: str, clock: Clock) -> None:
        self._region = region
        self._clock = clock
        self._access_key = ""
        self._secret_key = ""
        self._token = ""

    def use(self, keys: Keys) -> None:
        """Sign with these keys from the next request on; one under way keeps those it was signed with."""
        self._access_key = keys.access_key
        self._secret_key = keys.secret_key.get_secret_value()
        self._token = keys.session_token.get_secret_value() if keys.session_token else ""

    def sign(self, service: str, method: str, path: str, headers: dict[str, str], payload: str) -> None:
        """Add to `headers`, which will all be signed, what shows whose request this is.

        Their names are in lower case, `host` among them. `path` is escaped as it will be sent, without a
        query; `payload` is the SHA-256 of the body in hex, or UNSIGNED.
        """
        at = _written(int(self._clock.now_s()))
        headers["x-amz-date"] = at
        if self._token:
            headers["x-amz-security-token"] = self._token
        names = sorted(headers)
        signed = ";".join(names)
        lines = "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in names])
        canonical = f"{method}\n{path}\n\n{lines}\n{signed}\n{payload}"
        scope = f"{at[:8]}/{self._region}/{service}/aws4_request"
        text = f"{ALGORITHM}\n{at}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = _signing_key(self._secret_key, at[:8], self._region, service)
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        credential = f"{self._access_key}/{scope}"
        headers["authorization"] = (
            f"{ALGORITHM} Credential={credential}, SignedHeaders={signed}, Signature={signature}"
        )


@lru_cache(maxsize=2)
def _written(unix_s: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(unix_s))


@lru_cache(maxsize=8)
def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
