"""The buckets: files sharded by the hash of their key, and a table that says which file is which object."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from boss_ingest.local.settings import CUBOID_BUCKET, INGEST_BUCKET, TILE_BUCKET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from boss_ingest.local.database import Database, Row

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    bucket TEXT NOT NULL, key TEXT NOT NULL, file TEXT NOT NULL, size_bytes INTEGER NOT NULL,
    etag TEXT NOT NULL, metadata TEXT NOT NULL, stored_at REAL NOT NULL, tagged INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (bucket, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS objects_by_age ON objects (stored_at);
"""
_COLUMNS = "bucket, key, file, size_bytes, etag, metadata, stored_at, tagged"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object: what its table row says, and the file that holds its bytes."""

    bucket: str
    key: str
    path: Path
    size_bytes: int
    etag: str
    metadata: Mapping[str, str]
    stored_at: float
    tagged: bool  # processed: `delete=true` on a real Boss

    def read(self) -> bytes:
        """Its bytes. Raises FileNotFoundError when it was replaced in the meantime."""
        return self.path.read_bytes()


class Objects:
    """All objects of all buckets.

    A file is complete before its row points to it, and is never changed after; replacing an object writes
    another file. A crash can leave a file without a row, never a row without its file.
    """

    def __init__(self, directory: Path, database: Database) -> None:
        self._directory = directory
        self._database = database
        self._names = count(time.time_ns())
        self._shards: set[Path] = set()
        self._incoming = directory / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        for bucket in (TILE_BUCKET, INGEST_BUCKET, CUBOID_BUCKET):
            (directory / bucket).mkdir(exist_ok=True)
        for leftover in self._incoming.iterdir():
            leftover.unlink()

    def incoming_path(self) -> Path:
        """A fresh path for a body that is on its way; what is left there is removed at the next start."""
        return self._incoming / f"{next(self._names):x}"

    def adopt(
        self,
        incoming: Path,
        *,
        bucket: str,
        key: str,
        size_bytes: int,
        etag: str,
        metadata: Mapping[str, str],
    ) -> None:
        """Make a complete file the object, in place of an earlier one. Durable once the database commits."""
        self._place(incoming.rename, bucket, key, size_bytes, etag, metadata)

    def link(self, source: StoredObject, *, bucket: str, key: str) -> None:
        """Copy an object within the store without copying its bytes."""
        self._place(lambda path: os.link(source.path, path), bucket, key, source.size_bytes, source.etag, {})

    def get(self, bucket: str, key: str) -> StoredObject | None:
        """The object, or None."""
        row = self._database.one(
            f"SELECT {_COLUMNS} FROM objects WHERE bucket = ? AND key = ?", (bucket, key)
        )
        return self._object(row) if row else None

    def contents(self, bucket: str) -> list[StoredObject]:
        """Every object of a bucket, by key."""
        rows = self._database.read(f"SELECT {_COLUMNS} FROM objects WHERE bucket = ? ORDER BY key", (bucket,))
        return [self._object(row) for row in rows]

    def untagged(self, bucket: str) -> list[str]:
        """The keys of a bucket that were not processed, oldest first."""
        sql = "SELECT key FROM objects WHERE bucket = ? AND tagged = 0 ORDER BY stored_at"
        return [key for (key,) in self._database.read(sql, (bucket,))]

    def tag(self, objects: Iterable[StoredObject]) -> None:
        """Mark as processed: to be removed in some days. An object replaced since then stays untagged."""
        self._database.write_many(
            "UPDATE objects SET tagged = 1 WHERE bucket = ? AND key = ? AND file = ?",
            [(stored.bucket, stored.key, stored.path.name) for stored in objects],
        )

    def expire(self, *, tagged_before: float, staged_before: float, most: int = 1000) -> int:
        """Remove staged objects that are too old, `most` at a time; returns how many were."""
        rows = self._database.read(
            f"SELECT {_COLUMNS} FROM objects"
            " WHERE bucket != ? AND stored_at < ? AND (tagged OR stored_at < ?) LIMIT ?",
            (CUBOID_BUCKET, tagged_before, staged_before, most),
        )
        expired = [self._object(row) for row in rows]
        self._database.write_many(
            "DELETE FROM objects WHERE bucket = ? AND key = ?",
            [(stored.bucket, stored.key) for stored in expired],
        )
        for stored in expired:
            self._database.after_commit(stored.path.unlink)
        return len(expired)

    def _place(
        self,
        put_at: Callable[[Path], object],
        bucket: str,
        key: str,
        size_bytes: int,
        etag: str,
        metadata: Mapping[str, str],
    ) -> None:
        name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
        path = self._shard(bucket, name) / f"{name}-{next(self._names):x}"
        put_at(path)
        old = self._database.one("SELECT file FROM objects WHERE bucket = ? AND key = ?", (bucket, key))
        self._database.write(
            f"INSERT OR REPLACE INTO objects ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            (bucket, key, path.name, size_bytes, etag, json.dumps(dict(metadata)), time.time()),
        )
        if old:
            self._database.after_commit((self._shard(bucket, old[0]) / old[0]).unlink)

    def _shard(self, bucket: str, name: str) -> Path:
        shard = self._directory / bucket / name[:2]
        if shard not in self._shards:
            shard.mkdir(exist_ok=True)
            self._shards.add(shard)
        return shard

    def _object(self, row: Row) -> StoredObject:
        bucket, key, file, size_bytes, etag, metadata, stored_at, tagged = row
        return StoredObject(
            bucket,
            key,
            self._shard(bucket, file) / file,
            size_bytes,
            etag,
            json.loads(metadata),
            stored_at,
            bool(tagged),
        )
