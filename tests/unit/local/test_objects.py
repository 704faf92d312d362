"""The store of objects: a row always has its file, whenever the process dies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from boss_ingest.local.database import Database
from boss_ingest.local.objects import SCHEMA, Objects
from boss_ingest.local.settings import TILE_BUCKET

if TYPE_CHECKING:
    from pathlib import Path


async def test_an_expired_object_keeps_its_file_until_its_row_is_gone_for_good(tmp_path: Path) -> None:
    """The file went at once: killed before the commit, the Boss had a row without a file."""
    database = Database(tmp_path / "boss.sqlite", SCHEMA)
    objects = Objects(tmp_path / "objects", database)
    body = objects.incoming_path()
    body.write_bytes(b"tile")
    objects.adopt(body, bucket=TILE_BUCKET, key="key", size_bytes=4, etag="etag", metadata={})
    stored = objects.get(TILE_BUCKET, "key")
    assert stored is not None
    await database.committed()

    later = time.time() + 1
    assert objects.expire(tagged_before=later, staged_before=later) == 1
    assert stored.path.exists()
    await database.committed()
    assert not stored.path.exists()
    database.close()
