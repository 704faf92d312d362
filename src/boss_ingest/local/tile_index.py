"""Which tiles of which chunk have arrived (docs/protocol.md, "What the server does")."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boss_ingest.boss.keys import ChunkKey

if TYPE_CHECKING:
    from boss_ingest.local.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS chunks (
    job INTEGER NOT NULL, chunk_key TEXT NOT NULL, marked INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (job, chunk_key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS marks (
    job INTEGER NOT NULL, chunk_key TEXT NOT NULL, tile_key TEXT NOT NULL, times INTEGER NOT NULL,
    PRIMARY KEY (job, chunk_key, tile_key)) WITHOUT ROWID;
"""
_OF_CHUNK = "WHERE job = ? AND chunk_key = ?"


class TileIndex:
    """An entry for every chunk of which a tile arrived and that was not ingested since."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def mark(self, job: int, chunk_key: str, tile_key: str) -> bool:
        """Note a tile; True when its chunk is complete now. A chunk that already was is not touched."""
        needed = ChunkKey.decode(chunk_key).num_tiles
        row = self._database.one(f"SELECT marked FROM chunks {_OF_CHUNK}", (job, chunk_key))
        if row is None:
            self._database.write("INSERT INTO chunks (job, chunk_key) VALUES (?, ?)", (job, chunk_key))
        elif row[0] >= min(needed, 16):
            return True
        marked = row[0] if row else 0
        known = self._database.write(
            f"UPDATE marks SET times = times + 1 {_OF_CHUNK} AND tile_key = ?", (job, chunk_key, tile_key)
        ).rowcount
        if not known:
            self._database.write("INSERT INTO marks VALUES (?, ?, ?, 1)", (job, chunk_key, tile_key))
            self._database.write(f"UPDATE chunks SET marked = marked + 1 {_OF_CHUNK}", (job, chunk_key))
            marked += 1
        return bool(marked >= min(needed, 16))

    def tiles(self, job: int, chunk_key: str) -> list[str] | None:
        """Keys of the tiles of a chunk that arrived; None when the chunk has no entry."""
        if self._database.one(f"SELECT 1 FROM chunks {_OF_CHUNK}", (job, chunk_key)) is None:
            return None
        return [
            key for (key,) in self._database.read(f"SELECT tile_key FROM marks {_OF_CHUNK}", (job, chunk_key))
        ]

    def chunks(self, job: int) -> list[str]:
        """Keys of all chunks of a job that have an entry."""
        return [key for (key,) in self._database.read("SELECT chunk_key FROM chunks WHERE job = ?", (job,))]

    def remove(self, job: int, chunk_key: str) -> None:
        """Remove the entry of a chunk."""
        self._database.write(f"DELETE FROM marks {_OF_CHUNK}", (job, chunk_key))
        self._database.write(f"DELETE FROM chunks {_OF_CHUNK}", (job, chunk_key))

    def remove_job(self, job: int) -> None:
        """Remove every entry of a job."""
        self._database.write("DELETE FROM marks WHERE job = ?", (job,))
        self._database.write("DELETE FROM chunks WHERE job = ?", (job,))
