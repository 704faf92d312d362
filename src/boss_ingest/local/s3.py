"""The S3 side: PutObject as clients of the Boss use it, and a truthful no to everything else."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from aiohttp import web

from boss_ingest.local.authorization import authenticate
from boss_ingest.local.aws_errors import AwsError, access_denied
from boss_ingest.local.faults import Call, Http
from boss_ingest.local.s3_body import EMPTY_SHA256, Digests, plain_pieces, unwrapped_pieces
from boss_ingest.local.s3_request import address, body_size, check_key, user_metadata
from boss_ingest.local.settings import CUBOID_BUCKET, INGEST_BUCKET, TILE_BUCKET
from boss_ingest.local.sigv4 import UNSIGNED, Signature, sign

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from boss_ingest.local.credentials import Credential
    from boss_ingest.local.state import State

_SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
_UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_WRAPPED = (_SIGNED_CHUNKS, f"{_SIGNED_CHUNKS}-TRAILER", _UNSIGNED_CHUNKS)
_SHA256 = re.compile("[0-9a-fA-F]{64}")
_NEEDS_MORE = ("x-amz-tagging", "x-amz-copy-source", "x-amz-grant-read", "x-amz-grant-full-control")
_BY_QUERY = {  # of a PUT, of a POST
    "uploads": ("PutObject", "CreateMultipartUpload"),
    "uploadId": ("UploadPart", "CompleteMultipartUpload"),
    "tagging": ("PutObjectTagging", "PostObject"),
    "acl": ("PutObjectAcl", "PostObject"),
}
_BY_METHOD = {
    ("GET", True): "GetObject",
    ("HEAD", True): "HeadObject",
    ("DELETE", True): "DeleteObject",
    ("GET", False): "ListObjectsV2",
    ("HEAD", False): "HeadBucket",
    ("PUT", False): "CreateBucket",
    ("DELETE", False): "DeleteBucket",
    ("POST", False): "DeleteObjects",
}


class S3:
    """Answers S3 requests in path style. Bodies may be unsigned (UNSIGNED-PAYLOAD), as real S3 allows."""

    def __init__(self, state: State, created: Callable[[str, str | None], None]) -> None:
        self._state = state
        self._created = created

    async def describe(self, request: web.BaseRequest) -> Call:
        """Name the operation."""
        bucket, key = address(request.raw_path)
        name = _operation(request, with_key=bool(key))
        return Call(f"s3.{name}", request.method, request.raw_path, request.headers, bucket=bucket, key=key)

    async def answer(self, call: Call, request: web.BaseRequest) -> web.Response:
        """Do what is asked."""
        try:
            return await self._answer(call, request)
        except AwsError as error:
            return self.failure(call, Http(error.status, error.code, error.message))

    def failure(self, call: Call, fault: Http) -> web.Response:
        """An error as S3 writes it."""
        body = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{fault.code}</Code><Message>'
            f"{escape(fault.message)}</Message><Resource>{escape(call.path)}</Resource>"
            f"<RequestId>{secrets.token_hex(8).upper()}</RequestId></Error>"
        )
        text = None if call.method == "HEAD" else body
        return web.Response(
            status=fault.status, text=text, content_type="application/xml", headers=dict(fault.headers)
        )

    async def _answer(self, call: Call, request: web.BaseRequest) -> web.Response:
        action = call.operation.removeprefix("s3.")
        payload = request.headers.get("x-amz-content-sha256", UNSIGNED)
        if payload not in (UNSIGNED, *_WRAPPED) and not _SHA256.fullmatch(payload):
            raise AwsError("InvalidRequest", "x-amz-content-sha256 is neither a SHA-256 nor a known word.")
        credential, signature = authenticate(
            self._state.credentials, request, service="s3", payload_hash=payload
        )
        if call.bucket not in (TILE_BUCKET, INGEST_BUCKET, CUBOID_BUCKET):
            raise AwsError("NoSuchBucket", "The specified bucket does not exist", 404)
        permission = "s3:PutObject" if "Multipart" in action or action == "UploadPart" else f"s3:{action}"
        if not credential.allows(permission, call.bucket):
            raise access_denied(credential.user, permission, f"arn:aws:s3:::{call.bucket}/{call.key}")
        if action != "PutObject":
            raise AwsError(
                "NotImplemented", f"This local Boss does not do {action}: objects are put in one piece.", 501
            )
        return await self._put(call, request, credential, signature, payload)

    async def _put(
        self, call: Call, request: web.BaseRequest, credential: Credential, signature: Signature, payload: str
    ) -> web.Response:
        headers = request.headers
        check_key(call.key)
        metadata = user_metadata(headers)
        if any(name in headers for name in _NEEDS_MORE) or headers.get("x-amz-acl", "private") != "private":
            raise access_denied(credential.user, "s3:PutObjectAcl or s3:PutObjectTagging", call.bucket)
        digests = Digests.announced(headers)
        size = body_size(headers, wrapped=payload in _WRAPPED)
        if headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        pieces = plain_pieces(request.content, size)
        if payload in _WRAPPED:
            chunks = _Chain(signature, credential.secret_key) if payload != _UNSIGNED_CHUNKS else None
            pieces = unwrapped_pieces(
                request.content,
                digests,
                sign_chunk=chunks.chunk if chunks else None,
                sign_trailer=chunks.trailer if chunks and payload.endswith("TRAILER") else None,
            )
        path = self._state.objects.incoming_path()
        try:
            await _write(path, pieces, digests)
            if digests.size_bytes != size:
                raise AwsError("IncompleteBody", "You did not provide the number of bytes you announced.")
            etag = digests.check()
            self._state.objects.adopt(
                path, bucket=call.bucket, key=call.key, size_bytes=size, etag=etag, metadata=metadata
            )
        finally:
            path.unlink(missing_ok=True)
        await self._state.database.committed()
        if call.bucket == INGEST_BUCKET:
            self._created(call.key, metadata.get("metadata"))
        echoed = {name: value.strip() for name, value in digests.stated.items() if name != "Content-MD5"}
        return web.Response(headers={"ETag": f'"{etag}"', **echoed})


def _operation(request: web.BaseRequest, *, with_key: bool) -> str:
    query = parse_qs(request.raw_path.partition("?")[2], keep_blank_values=True)
    for parameter, name in _BY_QUERY.items():
        if parameter in query and with_key:
            return name[request.method == "POST"]
    if request.method == "PUT" and with_key:
        return "CopyObject" if "x-amz-copy-source" in request.headers else "PutObject"
    return _BY_METHOD.get((request.method, with_key), request.method)


class _Chain:
    """The signatures of signed chunks, each of which covers the one before."""

    def __init__(self, signature: Signature, secret_key: str) -> None:
        self._signature = signature
        self._secret_key = secret_key
        self._previous = signature.value

    def chunk(self, sha256: str) -> str:
        """What the next chunk must be signed with."""
        self._previous = sign(
            self._signature,
            self._secret_key,
            "AWS4-HMAC-SHA256-PAYLOAD",
            self._previous,
            EMPTY_SHA256,
            sha256,
        )
        return self._previous

    def trailer(self, sha256: str) -> str:
        """What the trailers must be signed with."""
        return sign(self._signature, self._secret_key, "AWS4-HMAC-SHA256-TRAILER", self._previous, sha256)


async def _write(path: Path, pieces: AsyncIterator[bytes], digests: Digests) -> None:
    with path.open("wb", buffering=0) as file:
        async for piece in pieces:
            digests.update(piece)
            file.write(piece)
