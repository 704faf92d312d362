"""The body of a PutObject: taken off the wire, unwrapped, checked, and written to a file, piece by piece.

Verified: Content-MD5, x-amz-content-sha256 (also of every signed chunk), and x-amz-checksum-crc32, -crc32c,
-crc64nvme, -sha1 and -sha256, in headers and trailers. What else S3 knows is refused rather than believed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from awscrt.checksums import crc32c, crc64nvme

from boss_ingest.local.aws_errors import AwsError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from aiohttp import StreamReader

MOST_BYTES = 5 << 30
_LONGEST_LINE = 4096
_UNVERIFIED = ("x-amz-checksum-md5", "x-amz-checksum-xxhash64")
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    def __init__(self, function: Callable[[bytes, int], int], size_bytes: int) -> None:
        self._function = function
        self._size_bytes = size_bytes
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._function(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._size_bytes, "big")


_CHECKSUMS: dict[str, Callable[[], _Hash]] = {
    "x-amz-checksum-crc32": lambda: _Crc(zlib.crc32, 4),
    "x-amz-checksum-crc32c": lambda: _Crc(crc32c, 4),
    "x-amz-checksum-crc64nvme": lambda: _Crc(crc64nvme, 8),
    "x-amz-checksum-sha1": lambda: hashlib.sha1(usedforsecurity=False),
    "x-amz-checksum-sha256": hashlib.sha256,
}


@dataclass(slots=True)
class Digests:
    """What the client says its body hashes to, and what the pieces seen so far do."""

    stated: dict[str, str]
    sha256: str | None  # of the whole body in hex; None when not stated
    trailers: tuple[str, ...] = ()  # checksums that follow after the body
    size_bytes: int = 0
    _md5: _Hash = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    _hashes: dict[str, _Hash] = field(default_factory=dict)
    _content: _Hash | None = None

    @classmethod
    def announced(cls, headers: Mapping[str, str]) -> Digests:
        """From the headers. Raises AwsError for a checksum that cannot be verified here."""
        trailers = tuple(
            name.strip().lower() for name in headers.get("x-amz-trailer", "").split(",") if name.strip()
        )
        stated = {name: headers[name] for name in ("Content-MD5", *_CHECKSUMS) if name in headers}
        for name in _UNVERIFIED:
            if name in headers or name in trailers:
                raise AwsError(
                    "NotImplemented", f"This local Boss cannot verify {name}; use CRC64NVME or SHA256.", 501
                )
        content = headers.get("x-amz-content-sha256", "")
        digests = cls(stated, content.lower() if len(content) == 64 else None, trailers)
        digests._hashes = {
            name: _CHECKSUMS[name]() for name in _CHECKSUMS if name in stated or name in trailers
        }
        digests._content = hashlib.sha256() if digests.sha256 else None
        return digests

    def update(self, piece: bytes) -> None:
        """The next piece of the body."""
        self.size_bytes += len(piece)
        self._md5.update(piece)
        if self._content is not None:
            self._content.update(piece)
        for hash_ in self._hashes.values():
            hash_.update(piece)

    def check(self) -> str:
        """The ETag of the whole body. Raises AwsError unless it is what the client stated."""
        md5 = self._md5.digest()
        if self._content is not None and self._content.digest().hex() != self.sha256:
            raise AwsError(
                "XAmzContentSHA256Mismatch",
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
            )
        for name in self.trailers:
            if name in _CHECKSUMS and name not in self.stated:
                raise AwsError("MalformedTrailerError", f"The request promised the trailer {name}.")
        for name, text in self.stated.items():
            try:
                stated = base64.b64decode(text.strip(), validate=True)
            except binascii.Error:
                raise AwsError("InvalidDigest", f"The {name} you specified is not valid.") from None
            if stated != (md5 if name == "Content-MD5" else self._hashes[name].digest()):
                raise AwsError("BadDigest", f"The {name} you specified did not match what we received.")
        return md5.hex()


async def plain_pieces(content: StreamReader, size_bytes: int) -> AsyncIterator[bytes]:
    """The pieces of a body that is not wrapped. Raises AwsError IncompleteBody when it ends early."""
    left = size_bytes
    while left > 0:
        piece = await content.readany()
        if not piece:
            raise AwsError(
                "IncompleteBody", "You did not provide the number of bytes of the Content-Length header."
            )
        left -= len(piece)
        yield piece


async def unwrapped_pieces(
    content: StreamReader,
    digests: Digests,
    *,
    sign_chunk: Callable[[str], str] | None,
    sign_trailer: Callable[[str], str] | None,
) -> AsyncIterator[bytes]:
    """The pieces of an aws-chunked body; its trailers go to `digests`.

    `sign_chunk` maps the SHA-256 of a chunk to the signature it must carry, `sign_trailer` that of the
    trailer lines. Raises AwsError when the wrapping is broken or a signature is wrong.
    """
    while True:
        size_text, _, extension = (await _line(content)).partition(";")
        try:
            left = int(size_text, 16)
        except ValueError:
            raise _broken() from None
        hash_ = hashlib.sha256()
        while left > 0:
            piece = await content.read(left)
            if not piece:
                raise _broken()
            left -= len(piece)
            if sign_chunk:
                hash_.update(piece)
            yield piece
        if sign_chunk:
            _check_chunk(extension, sign_chunk(hash_.hexdigest()))
        if size_text.strip("0") == "":
            break
        if await _line(content):
            raise _broken()
    await _trailers(content, digests, sign_trailer)


async def _trailers(content: StreamReader, digests: Digests, sign: Callable[[str], str] | None) -> None:
    signed, signature = "", None
    while line := await _line(content):
        name, _, value = line.partition(":")
        name = name.strip().lower()
        if name == "x-amz-trailer-signature":
            signature = value.strip()
        elif name in digests.trailers:
            signed += f"{name}:{value.strip()}\n"
            if name in _CHECKSUMS:
                digests.stated[name] = value
        else:
            raise AwsError("MalformedTrailerError", f"The trailer {name} was not announced.")
    if sign and signature != sign(hashlib.sha256(signed.encode()).hexdigest()):
        raise AwsError("SignatureDoesNotMatch", "The signature of the trailers does not match.", 403)


async def _line(content: StreamReader) -> str:
    line = await content.readline()
    if len(line) > _LONGEST_LINE:
        raise _broken()
    return line.rstrip(b"\r\n").decode("latin-1")


def _check_chunk(extension: str, expected: str) -> None:
    if extension != f"chunk-signature={expected}":
        raise AwsError("SignatureDoesNotMatch", "The signature of a chunk does not match.", 403)


def _broken() -> AwsError:
    return AwsError("IncompleteBody", "The request body is not a well-formed aws-chunked stream.")
