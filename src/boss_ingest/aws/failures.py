"""What goes wrong between us and SQS or S3, told as errors of ours: by structured codes, never by prose.

A refused request is told by its error code, then, where the code says nothing, by its HTTP status.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import aiohttp

from boss_ingest.config.http_time import retry_after_s
from boss_ingest.config.trust import untrusted
from boss_ingest.errors import (
    CredentialsError,
    QueueGoneError,
    RefusedError,
    ServiceError,
    ThrottledError,
    TransientError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from boss_ingest.aws.clock import Clock
    from boss_ingest.aws.transport import Answer
    from boss_ingest.errors import IngestError

CLOCK_IS_OFF = "ClockIsOff"
"""Our own code: what the service took offence at is the time of this machine, whatever it says itself."""

CLOCK_CODES = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture", CLOCK_IS_OFF})
"""Rejections that new keys cannot help against: this machine's clock is wrong."""


class BrokenOffError(aiohttp.ClientError):
    """The connection ended under a request, which may have had its effect."""


_CODES: dict[type[ServiceError], frozenset[str]] = {
    ThrottledError: frozenset({
        "SlowDown", "ServiceUnavailable", "RequestLimitExceeded", "TooManyRequestsException",
        "BandwidthLimitExceeded", "OverLimit", "ReducePriority",
    }),  # and every code that speaks of throttling
    TransientError: frozenset({
        "InternalError", "InternalFailure", "InternalServerError", "RequestTimeout",
        "RequestTimeoutException", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch",
        "XAmzContentChecksumMismatch", "OperationAborted", "ConditionalRequestConflict",
    }),
    CredentialsError: CLOCK_CODES | {
        "AccessDenied", "AccessDeniedException", "AuthFailure", "ExpiredToken", "ExpiredTokenException",
        "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSecurity",
        "InvalidSignatureException", "InvalidToken", "MissingAuthenticationToken", "RequestExpired",
        "SignatureDoesNotMatch", "TokenRefreshRequired", "UnrecognizedClientException",
    },
    QueueGoneError: frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}),
    RefusedError: frozenset({
        "NoSuchBucket", "EntityTooLarge", "MetadataTooLarge", "KeyTooLongError", "InvalidBucketName",
        "AllAccessDisabled", "PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
        "ReceiptHandleIsInvalid",
    }),
}  # fmt: skip
_BY_CODE = {code: kind for kind, codes in _CODES.items() for code in codes}

_WRONG_REGION_CODES = frozenset({"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"})

_RETRY_AFTER_LIMIT_S = 900.0
_MOST_ERROR_BYTES = 64 * 1024

_NO_CONNECTION = "is the network up, and the endpoint's URL right?"
_CLOCK_HINT = "this machine's clock is wrong; set it, for example with NTP"
_HINTS: dict[type[ServiceError], str] = {
    QueueGoneError: "the job was completed or cancelled elsewhere, or its queues are not yet made",
}


def no_answer(
    what: str, error: aiohttp.ClientError | OSError, *, limit_s: float, ca_bundle: Path | None
) -> IngestError:
    """The error for a request that brought no answer in `limit_s`: a TransientError on `what`.

    But GaveUpError where the certificate is not trusted: that does not pass. Not to be chained: aiohttp's
    errors can carry the request's headers, and with them the keys.
    """
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return TransientError(f"{what}: no connection in time", hint=_NO_CONNECTION, code="ConnectTimeout")
    if isinstance(error, TimeoutError):
        return TransientError(f"{what}: no answer within {limit_s:g} s", code="Timeout")
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        host = f"{error.host}:{error.port}"
        return untrusted(what, host, error.certificate_error, ca_bundle=ca_bundle)
    code, hint = _way_out(error)
    return TransientError(f"{what}: no usable answer ({code})", hint=hint, code=code)


def refusal(what: str, answer: Answer, code: str, clock: Clock) -> ServiceError:
    """The error that an answer means, of which the service's own protocol gives the `code`."""
    kind = kind_of(code, answer.status)
    told = f"{code} ({answer.status})" if code else f"HTTP {answer.status}"
    hint = _hint(kind, code, answer)
    if kind is CredentialsError and (off := clock.explain(answer.headers.get("Date", ""))):
        code, hint = CLOCK_IS_OFF, off
    return kind(
        f"{what}: {told}",
        hint=hint,
        code=code,
        http_status=answer.status,
        retry_after_s=min(retry_after_s(answer.headers.get("Retry-After", "")), _RETRY_AFTER_LIMIT_S),
    )


def code_in_xml(body: bytes) -> str:
    """The code of an error as S3 writes it; "" when there is none."""
    _, _, error = body[:_MOST_ERROR_BYTES].partition(b"<Error")
    found = re.search(rb"<Code>\s*([^<>]{1,200}?)\s*</Code>", error)
    return _code(found[1].decode("ascii", "replace")) if found else ""


def code_in_json(answer: Answer) -> str:
    """The code of an error as SQS writes it, by preference in the words of its old protocol; else ""."""
    if old := _code(answer.headers.get("x-amzn-query-error", "").partition(";")[0]):
        return old
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return ""
    shape = document.get("__type", "") if isinstance(document, dict) else ""
    return _code(str(shape).rpartition("#")[2].partition(":")[0])


def _code(told: str) -> str:
    """What was told, if it is one word: codes are shown to people and must not be anything else."""
    return told if re.fullmatch(r"[\w.-]{1,100}", told, re.ASCII) else ""


def entry_failure(what: str, entry: Mapping[str, Any]) -> ServiceError:
    """The error of one entry of a batch: `Code`, `SenderFault` and perhaps `Message`."""
    code = _code(str(entry.get("Code", "")))
    kind = kind_of(code, 400 if entry.get("SenderFault") else 500)
    return kind(f"{what}: {code or 'refused without a code'}", hint=_HINTS.get(kind, ""), code=code)


def kind_of(code: str, http_status: int) -> type[ServiceError]:
    """The kind of error that a service means with a code and an HTTP status.

    SQS and S3 give every refusal a code: one without comes from something in between, and may pass.
    """
    if kind := _BY_CODE.get(code):
        return kind
    if "throttl" in code.lower() or http_status in {429, 503}:
        return ThrottledError
    if http_status in {401, 403}:
        return CredentialsError
    if http_status >= 500 or http_status == 408:
        return TransientError
    return RefusedError if code else TransientError


def _hint(kind: type[ServiceError], code: str, answer: Answer) -> str:
    if code in CLOCK_CODES:
        return _CLOCK_HINT
    if code in _WRONG_REGION_CODES:
        return (
            f"the bucket's region is {_region(answer)}; AWS_REGION sets it where the queue's URL names none"
        )
    return _HINTS.get(kind, "")


def _region(answer: Answer) -> str:
    if named := _code(answer.headers.get("x-amz-bucket-region", "")):
        return named
    found = re.search(rb"<Region>([a-z0-9-]+)</Region>|[.-]([a-z]{2}-[a-z-]+-\d)\.", answer.body)
    return (found[1] or found[2]).decode() if found else "another one"


def _way_out(error: Exception) -> tuple[str, str]:
    """A code for what stood between us and an answer, and a way out."""
    if isinstance(error, aiohttp.ClientSSLError):
        return "TlsFailed", "does the endpoint's URL name a server that speaks https?"
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError):
        return "ProxyConnectionError", "the proxy named by HTTPS_PROXY or HTTP_PROXY does not let us through"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "NoConnection", _NO_CONNECTION
    if isinstance(error, BrokenOffError | OSError):
        return "ConnectionBroke", ""
    return type(error).__name__, ""
