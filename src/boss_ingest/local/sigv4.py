"""AWS Signature Version 4, the server's side: was a request signed with these keys, and just now?"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

from boss_ingest.local.aws_errors import AwsError

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
MOST_SKEW_S = 900.0
_HEADER = re.compile(
    r"^AWS4-HMAC-SHA256 +Credential=([^,]+), *SignedHeaders=([^,]+), *Signature=([0-9a-f]{64})$"
)


@dataclass(frozen=True, slots=True)
class Signature:
    """What the Authorization header of a request claims."""

    access_key: str
    day: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str
    time: str  # as in x-amz-date: 20260102T030405Z

    @property
    def scope(self) -> str:
        """The credential scope, which every string to sign contains."""
        return f"{self.day}/{self.region}/{self.service}/aws4_request"

    def key(self, secret_key: str) -> bytes:
        """The signing key that `secret_key` yields for this scope."""
        return _signing_key(secret_key, self.day, self.region, self.service)


def read_signature(headers: CIMultiDictProxy[str], *, service: str) -> Signature | None:
    """The signature of a request; None when it carries none. Raises AwsError when it is no signature."""
    authorization = headers.get("Authorization")
    if authorization is None:
        return None
    match = _HEADER.match(authorization)
    scope = match[1].split("/") if match else []
    if match is None or len(scope) != 5 or scope[3] != service or scope[4] != "aws4_request":
        raise AwsError("AuthorizationHeaderMalformed", f"This is no {ALGORITHM} authorization for {service}.")
    return Signature(
        scope[0],
        scope[1],
        scope[2],
        scope[3],
        tuple(match[2].split(";")),
        match[3],
        headers.get("x-amz-date", ""),
    )


def verify(
    signature: Signature,
    secret_key: str,
    *,
    method: str,
    raw_path: str,
    headers: CIMultiDictProxy[str],
    payload_hash: str,
) -> None:
    """Raises AwsError SignatureDoesNotMatch unless the request was signed with `secret_key`.

    `raw_path` is path and query as they came over the wire.
    """
    path, _, query = raw_path.partition("?")
    names = signature.signed_headers
    unsigned = [name for name in headers if (low := name.lower()).startswith("x-amz-") and low not in names]
    if "host" not in names or unsigned:
        raise AwsError(
            "AccessDenied",
            f"There were headers present in the request which were not signed: {unsigned}",
            403,
        )
    lines = [method, quote(unquote(path), safe="/~-_."), _canonical_query(query)]
    lines += [
        f"{name}:{','.join(' '.join(value.split()) for value in headers.getall(name, ()))}" for name in names
    ]
    lines += ["", ";".join(names), payload_hash]
    canonical = "\n".join(lines).encode("utf-8", "surrogateescape")
    digest = hashlib.sha256(canonical).hexdigest()
    expected = sign(signature, secret_key, ALGORITHM, digest)
    if not hmac.compare_digest(expected, signature.value):
        raise AwsError(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you "
            "provided. Check your key and signing method.",
            403,
        )


def check_time(signature: Signature, now: float) -> None:
    """Raises AwsError RequestTimeTooSkewed unless the request was signed in the last quarter of an hour."""
    signed_at = _timestamp(signature.time)
    if signed_at is None:
        raise AwsError("AccessDenied", "AWS authentication requires a valid x-amz-date header.", 403)
    if abs(signed_at - now) > MOST_SKEW_S or not signature.time.startswith(signature.day):
        raise AwsError(
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
            403,
        )


def sign(signature: Signature, secret_key: str, algorithm: str, *parts: str) -> str:
    """The signature over `parts` in the scope of a request's own signature."""
    text = "\n".join((algorithm, signature.time, signature.scope, *parts))
    return hmac.digest(signature.key(secret_key), text.encode(), "sha256").hex()


def _canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = sorted(
        (quote(k, safe="~-_."), quote(v, safe="~-_.")) for k, v in parse_qsl(query, keep_blank_values=True)
    )
    return "&".join(f"{name}={value}" for name, value in pairs)


@lru_cache(maxsize=1024)
def _timestamp(text: str) -> float | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def _signing_key(secret_key: str, day: str, region: str, service: str) -> bytes:
    key = ("AWS4" + secret_key).encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
