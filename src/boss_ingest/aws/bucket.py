"""A bucket as the engine sees it: a place that objects are put into, whole, with their metadata."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


Buffer = bytes | memoryview
Body = Buffer | tuple[Buffer, ...]
"""The bytes of an object, in memory; in several buffers, one after the other, where joining costs time."""


def buffers(body: Body) -> tuple[Buffer, ...]:
    """One or several."""
    return body if isinstance(body, tuple) else (body,)


def size_bytes(body: Body) -> int:
    """Of all of it."""
    return sum(memoryview(buffer).nbytes for buffer in buffers(body))


@dataclass(frozen=True, slots=True)
class Stored:
    """The receipt of an object that the bucket has accepted."""

    key: str
    size_bytes: int
    etag: str  # without quotes; the MD5 of the body, unless the bucket encrypts with KMS


class Bucket(Protocol):
    """Where tiles and cuboids go. The Boss's keys may only put: no list, head, get or delete."""

    async def put(self, key: str, body: Body, *, metadata: Mapping[str, str]) -> Stored:
        """Store one object, replacing any other of that key; one request without retries.

        Metadata is printable ASCII. Returns after the bucket has accepted the object and the checksum it
        answered, where it answered one, is that of `body`. Raises ServiceErrors.
        """
        ...
