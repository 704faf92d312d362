"""A bucket in memory that passes the bucket contract."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boss_ingest.aws.bucket import Stored, buffers
from boss_ingest.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from boss_ingest.aws.bucket import Body


@dataclass(frozen=True, slots=True)
class StoredObject:
    body: bytes
    metadata: dict[str, str]


class MemoryBucket:
    """A `Bucket`; `objects` holds what was put, by key. One that does not `exist` refuses everything."""

    def __init__(self, name: str = "tiles", *, exists: bool = True) -> None:
        self.name = name
        self.exists = exists
        self.objects: dict[str, StoredObject] = {}

    async def put(self, key: str, body: Body, *, metadata: Mapping[str, str]) -> Stored:
        what = f"storing {key} in bucket {self.name}"
        if not self.exists:
            raise RefusedError(f"{what}: NoSuchBucket (404)", code="NoSuchBucket", http_status=404)
        for name, value in metadata.items():
            if not (value.isascii() and value.isprintable()):
                raise RefusedError(f"{what}: the metadata {name} is not printable ASCII")
        stored = StoredObject(b"".join(buffers(body)), dict(metadata))
        self.objects[key] = stored
        return Stored(key, len(stored.body), hashlib.md5(stored.body).hexdigest())
