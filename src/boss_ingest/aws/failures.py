"""What botocore and aiohttp raise, told as errors of ours: by structured codes, never by their text.

A refused request is told by its error code, then, where the code says nothing, by its HTTP status.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    ParamValidationError,
    ProxyConnectionError,
    SSLError,
)
from botocore.parsers import ResponseParserError

from boss_ingest.errors import (
    CredentialsError,
    QueueGoneError,
    RefusedError,
    ServiceError,
    ThrottledError,
    TransientError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

CLOCK_CODES = frozenset({"RequestTimeTooSkewed", "RequestInTheFuture"})
"""Rejections that new keys cannot help against: this computer's clock is wrong."""

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
        "AllAccessDisabled", "PermanentRedirect", "AuthorizationHeaderMalformed", "ReceiptHandleIsInvalid",
    }),
}  # fmt: skip
_BY_CODE = {code: kind for kind, codes in _CODES.items() for code in codes}

_WRONG_REGION_CODES = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed"})

_RETRY_AFTER_LIMIT_S = 900.0
_CLOCK_TOLERANCE_S = 240.0

_CLOCK_HINT = "this computer's clock is wrong; set it, for example with NTP"
_HINTS: dict[type[ServiceError], str] = {
    QueueGoneError: "the job was completed or cancelled elsewhere, or its queues are not yet made",
}


@asynccontextmanager
async def told_as_ours(what: str, *, limit_s: float) -> AsyncIterator[None]:
    """Bound one request to `limit_s` and raise whatever fails in it as a ServiceError on `what`."""
    try:
        async with asyncio.timeout(limit_s):
            yield
    except ClientError as error:
        raise _refusal(what, error.response) from error
    except ParamValidationError as error:
        raise RefusedError(f"{what}: cannot be asked for: {error}", code="ParamValidation") from error
    except TimeoutError as error:
        raise TransientError(f"{what}: no answer within {limit_s:g} s", code="Timeout") from error
    except (BotoCoreError, ResponseParserError, aiohttp.ClientError, OSError, UnicodeDecodeError) as error:
        name = type(error).__name__
        raise TransientError(f"{what}: no usable answer ({name})", hint=_way_out(error), code=name) from error


def entry_failure(what: str, entry: Mapping[str, Any]) -> ServiceError:
    """The error of one entry of a batch: `Code`, `SenderFault` and perhaps `Message`."""
    code = str(entry.get("Code", ""))
    kind = kind_of(code, 400 if entry.get("SenderFault") else 500)
    return kind(f"{what}: {code}", hint=_HINTS.get(kind, ""), code=code)


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


def _refusal(what: str, response: Mapping[str, Any]) -> ServiceError:
    answer = response.get("ResponseMetadata", {})
    http_status = int(answer.get("HTTPStatusCode", 0))
    code = str(response.get("Error", {}).get("Code", ""))
    if code == str(http_status):  # botocore's stand-in for a code that it has not found
        code = ""
    headers: Mapping[str, str] = answer.get("HTTPHeaders", {})
    kind = kind_of(code, http_status)
    told = f"{code} ({http_status})" if code else f"HTTP {http_status}"
    return kind(
        f"{what}: {told}",
        hint=_hint(kind, code, headers),
        code=code,
        http_status=http_status,
        retry_after_s=_retry_after_s(headers),
    )


def _hint(kind: type[ServiceError], code: str, headers: Mapping[str, str]) -> str:
    if kind is CredentialsError and (code in CLOCK_CODES or _clock_is_off(headers)):
        return _CLOCK_HINT
    if code in _WRONG_REGION_CODES:
        region = headers.get("x-amz-bucket-region", "another one")
        return f"the bucket's region is {region}; AWS_REGION sets it where the queue's URL names none"
    return _HINTS.get(kind, "")


def _way_out(error: Exception) -> str:
    if isinstance(error, SSLError):
        return "the server's certificate is not trusted; name your CA bundle, or correct the endpoint's URL"
    if isinstance(error, ProxyConnectionError):
        return "the proxy named by HTTPS_PROXY or HTTP_PROXY does not answer"
    if isinstance(error, EndpointConnectionError):
        return "no connection; is the network up, and the endpoint's URL right?"
    return ""


def _retry_after_s(headers: Mapping[str, str]) -> float:
    value = headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return min(float(value), _RETRY_AFTER_LIMIT_S)
    at_s = _timestamp_s(value)
    return min(max(at_s - time.time(), 0.0), _RETRY_AFTER_LIMIT_S) if at_s else 0.0


def _clock_is_off(headers: Mapping[str, str]) -> bool:
    at_s = _timestamp_s(headers.get("date", ""))
    return at_s is not None and abs(at_s - time.time()) > _CLOCK_TOLERANCE_S


def _timestamp_s(http_date: str) -> float | None:
    try:
        return parsedate_to_datetime(http_date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
