"""A bucket in S3, with the one call that the Boss's keys allow: PutObject.

Every PUT carries the CRC-64/NVME of its body in a header, which S3 checks before it accepts the object and
answers with. The signature covers that header. It leaves out the body itself where nobody can change it on
its way: over TLS, and within this machine.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from boss_ingest.aws.bucket import Stored, size_bytes
from boss_ingest.aws.checksums import crc64nvme, md5, sha256
from boss_ingest.aws.failures import code_in_xml, refusal
from boss_ingest.aws.signing import UNSIGNED
from boss_ingest.errors import RefusedError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from boss_ingest.aws.bucket import Body
    from boss_ingest.aws.clock import Clock
    from boss_ingest.aws.transport import Answer, Transport

_ANSWER_LIMIT_S = 60.0
_SLOWEST_BYTES_PER_S = 100_000
"""A PUT may take `_ANSWER_LIMIT_S`, and what its body takes at this rate."""

_THREAD_FROM_BYTES = 2 * 1024 * 1024
"""Longer bodies are hashed off the event loop, where the hash is slow."""

_CHECKSUM = "x-amz-checksum-crc64nvme"
_T = TypeVar("_T")


class S3Bucket:
    """A `Bucket` in S3, in path style, since the names of the Boss's buckets have dots."""

    def __init__(self, transport: Transport, name: str, clock: Clock) -> None:
        self._transport = transport
        self._name = name
        self._path = f"/{quote(name, safe='-_.~')}/"
        self._clock = clock

    async def put(self, key: str, body: Body, *, metadata: Mapping[str, str]) -> Stored:
        """One PutObject, in one round trip."""
        what = f"storing {key} in bucket {self._name}"
        length = size_bytes(body)
        checksum = crc64nvme(body)
        payload = UNSIGNED if self._transport.is_private else await _slowly(sha256, body)
        headers = {"x-amz-content-sha256": payload, _CHECKSUM: checksum, **_user_metadata(what, metadata)}
        answer = await self._transport.send(
            what,
            "PUT",
            self._path + _escaped(what, key),
            headers,
            body,
            payload=payload,
            limit_s=_ANSWER_LIMIT_S + length / _SLOWEST_BYTES_PER_S,
        )
        code = code_in_xml(answer.body) if answer.body else ""
        if answer.status >= 300 or code:
            raise refusal(what, answer, code, self._clock)
        etag = answer.headers.get("ETag", "").strip('"')
        if not etag:
            raise TransientError(f"{what}: the answer is not S3's, it has no ETag", code="NoETag")
        if not await _is_the_same(body, checksum, etag, answer):
            raise TransientError(f"{what}: S3 has received other bytes than were sent", code="Corrupted")
        return Stored(key=key, size_bytes=length, etag=etag)


def _escaped(what: str, key: str) -> str:
    """As S3 wants keys in a path: all but letters, digits and -_.~/ as %XX of their UTF-8."""
    if not key:
        raise RefusedError(f"{what}: the key is empty")
    try:
        return quote(key, safe="/-_.~")
    except UnicodeEncodeError:
        raise RefusedError(f"{what}: the key is no text that UTF-8 can write") from None


def _user_metadata(what: str, metadata: Mapping[str, str]) -> dict[str, str]:
    for name, value in metadata.items():
        if not (value.isascii() and value.isprintable()):
            raise RefusedError(f"{what}: the metadata {name} is not printable ASCII")  # it may be a receipt
    return {f"x-amz-meta-{name.lower()}": value for name, value in metadata.items()}


async def _is_the_same(body: Body, checksum: str, etag: str, answer: Answer) -> bool:
    """Compare what the service answered with what was sent; the MD5 only where there is no checksum."""
    if echoed := answer.headers.get(_CHECKSUM):
        return echoed == checksum
    is_md5 = len(etag) == 32 and answer.headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
    return not is_md5 or etag.lower() == await _slowly(md5, body)


async def _slowly(digest: Callable[[Body], _T], body: Body) -> _T:
    if size_bytes(body) < _THREAD_FROM_BYTES:
        return digest(body)
    return await asyncio.to_thread(digest, body)
