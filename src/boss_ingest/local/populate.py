"""Fills the upload queue of a job: which messages there are, in the order the Boss generates them.

docs/protocol.md, "Tasks". Enumeration is pure; `write_messages` runs in a thread and writes a queue file
that the queue then takes over whole, so that a fill cut short leaves nothing behind.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING

from boss_ingest.boss.keys import ChunkKey, CuboidKey, LookupIds, TileKey, morton
from boss_ingest.local.queue_store import SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from boss_ingest.local.job_plan import Plan

SLICES = 16
"""Slices in a chunk of tiles."""

ORIGIN = "http://origin.invalid"
"""Stands in stored messages for the URL of this server, which may have another port tomorrow."""

_BATCH = 5000


def tile_tasks(plan: Plan, ids: LookupIds, resolution: int) -> Iterator[tuple[str, str]]:
    """The chunk key and the tile key of every task of a tile job."""
    (x0, y0, z0, t0), (x1, y1, z1, t1) = plan.start, plan.stop
    x_size, y_size = plan.size[:2]
    for t in range(t0, t1):
        for z in range(z0, z1, SLICES):
            depth = min(SLICES, z1 - z)
            for y in range(y0, y1, y_size):
                for x in range(x0, x1, x_size):
                    column, row = x // x_size, y // y_size
                    chunk = ChunkKey(depth, ids, resolution, column, row, z // SLICES, t).encode()
                    for slice_ in range(z, z + depth):
                        yield chunk, TileKey(ids, resolution, column, row, slice_, t).encode()


def chunk_tasks(plan: Plan, ids: LookupIds, resolution: int) -> Iterator[dict[str, object]]:
    """The message of every task of a volumetric job: t is always 0, all cuboids of the chunk are listed."""
    (x0, y0, z0, _), (x1, y1, z1, _) = plan.start, plan.stop
    x_size, y_size, z_size, _ = plan.size
    offsets = [
        (x, y, z) for z in range(0, z_size, 16) for y in range(0, y_size, 512) for x in range(0, x_size, 512)
    ]
    for z in range(z0, z1, z_size):
        for y in range(y0, y1, y_size):
            for x in range(x0, x1, x_size):
                chunk = ChunkKey(1, ids, resolution, x // x_size, y // y_size, z // z_size, 0)
                yield {
                    "chunk_key": chunk.encode(),
                    "cuboids": [
                        {
                            "x": dx,
                            "y": dy,
                            "z": dz,
                            "key": CuboidKey(
                                ids, resolution, 0, morton((x + dx) // 512, (y + dy) // 512, (z + dz) // 16)
                            ).encode(),
                        }
                        for dx, dy, dz in offsets
                    ],
                }


def messages(
    plan: Plan, ids: LookupIds, resolution: int, *, upload_url: str, ingest_url: str | None, job_id: int
) -> Iterator[str]:
    """The bodies of a job's upload messages."""
    if plan.ingest_type == "volumetric":
        for task in chunk_tasks(plan, ids, resolution):
            yield json.dumps(task)
        return
    head = json.dumps({"job_id": job_id, "upload_queue_arn": upload_url, "ingest_queue_arn": ingest_url})[:-1]
    for chunk_key, tile_key in tile_tasks(plan, ids, resolution):
        yield f'{head}, "chunk_key": "{chunk_key}", "tile_key": "{tile_key}"}}'


def write_messages(
    path: Path, bodies: Iterator[str], *, progress: Callable[[int], None], shuffle_seed: int | None = None
) -> int:
    """Write a queue file with these messages and return how many; `progress` hears of every batch.

    Blocks for about 10 s a million messages. The file is worthless until this returns. What `progress`
    raises ends it.
    """
    path.unlink(missing_ok=True)
    now = time.time()
    shuffle = None if shuffle_seed is None else random.Random(shuffle_seed)  # noqa: S311 - repeatable on purpose
    count = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.executescript(SCHEMA)
        while batch := list(islice(bodies, _BATCH)):
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO messages (visible_at, sent_at, body) VALUES (?, ?, ?)",
                [(now - shuffle.random() if shuffle else now, now, body) for body in batch],
            )
            connection.execute("COMMIT")
            count += len(batch)
            progress(count)
        connection.execute("PRAGMA journal_mode=WAL")  # here, because it writes the whole file out
    return count
