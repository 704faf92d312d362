"""Who signed a request to SQS or S3, in the words each of them uses to say: I don't know you."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from boss_ingest.local.aws_errors import AwsError
from boss_ingest.local.sigv4 import Signature, check_time, read_signature, verify

if TYPE_CHECKING:
    from aiohttp import web

    from boss_ingest.local.credentials import Credential, Credentials

_UNKNOWN = {
    "s3": ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
    "sqs": ("InvalidClientTokenId", "The security token included in the request is invalid."),
}
_ANONYMOUS = {
    "s3": ("AccessDenied", "Access Denied"),
    "sqs": ("MissingAuthenticationToken", "Request is missing Authentication Token"),
}


def authenticate(
    known: Credentials, request: web.BaseRequest, *, service: str, payload_hash: str
) -> tuple[Credential, Signature]:
    """The credential a request is signed with. Raises AwsError."""
    signature = read_signature(request.headers, service=service)
    if signature is None:
        raise AwsError(*_ANONYMOUS[service], 403)
    credential = known.find(signature.access_key)
    if credential is None:
        raise AwsError(*_UNKNOWN[service], 403)
    check_time(signature, time.time())
    verify(
        signature,
        credential.secret_key,
        method=request.method,
        raw_path=request.raw_path,
        headers=request.headers,
        payload_hash=payload_hash,
    )
    return credential, signature
