"""Putting objects: under the PUT limit, again when it may work, with the metadata the Boss needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from boss_ingest.aws.bucket import Body, Bucket, Stored
from boss_ingest.aws.queue import Lease
from boss_ingest.engine.limiter import PutLimiter
from boss_ingest.engine.retry import Retrier
from boss_ingest.engine.tally import Tally
from boss_ingest.errors import ThrottledError, TransientError

_COMPACT = json.JSONEncoder(separators=(",", ":"))
_METADATA_BYTES = 2000  # S3's "2 KB", taken as the smaller of its two readings


class Store:
    """One bucket of the job, and the rules for putting into it."""

    def __init__(self, bucket: Bucket, limiter: PutLimiter, retry: Retrier, tally: Tally) -> None:
        self._bucket = bucket
        self._limiter = limiter
        self._retry = retry
        self._tally = tally

    async def put(self, key: str, body: Body, *, metadata: Mapping[str, str], until_s: float) -> Stored:
        """Store one object; returns once S3 has accepted it. Raises ServiceError after the last try."""

        async def attempt() -> Stored:
            async with self._limiter:
                began_s = asyncio.get_running_loop().time()
                try:
                    stored = await self._bucket.put(key, body, metadata=metadata)
                except TransientError as error:
                    if isinstance(error, ThrottledError) or "timeout" in error.code.lower():
                        self._limiter.throttled()  # a line too thin for so many PUTs shows as their timeouts
                    raise
                self._limiter.ok(began_s=began_s, size_bytes=stored.size_bytes)
                return stored

        stored = await self._retry("S3", attempt, what=f"PUT {key}", until_s=until_s)
        self._tally.objects += 1
        self._tally.stored_bytes += stored.size_bytes
        return stored


def compact(value: Mapping[str, Any]) -> str:
    """JSON in ASCII with no spaces, as it goes into metadata and messages."""
    return _COMPACT.encode(value)


def tile_metadata(lease: Lease, long_form: str, short_form: str) -> dict[str, str]:
    """User metadata of a tile: the long form when S3 has room for it, else what the server still reads.

    `message_id` and `receipt_handle` must be there, or the server takes the tile for missing
    (docs/protocol.md, "Tile objects").
    """
    metadata = {"message_id": lease.message_id, "receipt_handle": lease.receipt, "metadata": long_form}
    if sum(len(name) + len(value) for name, value in metadata.items()) > _METADATA_BYTES:
        metadata["metadata"] = short_form
    return metadata


def cuboid_metadata(long_form: str, short_form: str) -> dict[str, str]:
    """User metadata of a cuboid: the server reads `ingest_job` (docs/protocol.md, "Cuboid objects")."""
    long_fits = len("metadata") + len(long_form) <= _METADATA_BYTES
    return {"metadata": long_form if long_fits else short_form}
