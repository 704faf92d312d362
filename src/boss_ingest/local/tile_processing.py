"""The server side of tile jobs: index messages in, complete chunks cut, cuboids stored.

Two consumers a job stand for the Boss's two lambdas, "tile uploaded" and "tile ingest"
(docs/protocol.md, "What the server does").
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boss_ingest.boss.keys import ChunkKey, TileKey
from boss_ingest.local import queues
from boss_ingest.local.queue_store import QueueGone
from boss_ingest.local.settings import CUBOID_BUCKET, TILE_BUCKET
from boss_ingest.local.tile_cutting import StagedTile, cut_chunk

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from boss_ingest.local.activity import Activity
    from boss_ingest.local.objects import StoredObject
    from boss_ingest.local.queue_store import Delivery, Queue
    from boss_ingest.local.state import State
    from boss_ingest.local.workshop import Workshop

_log = logging.getLogger("boss_ingest.local")
_MOST_DELIVERIES = 3
_LONG_S = 3600.0
_MANDATORY = ("message_id", "receipt_handle")


class TileProcessing:
    """Consumes the index queue and the ingest queue of every tile job until the queues are deleted."""

    def __init__(self, state: State, activity: Activity, workshop: Workshop, threads: Executor) -> None:
        self._state = state
        self._activity = activity
        self._workshop = workshop
        self._threads = threads
        self._random = random.Random(state.settings.seed)  # noqa: S311 - repeatable on purpose

    def start(self, job_id: int) -> None:
        """Begin to consume the queues of a job."""
        self._workshop.start(self._index(job_id), name=f"tile index of job {job_id}")
        for _ in range(self._state.settings.processing_threads):
            self._workshop.start(self._ingest(job_id), name=f"tile ingest of job {job_id}")

    async def _index(self, job_id: int) -> None:
        try:
            queue = self._state.queues.get(queues.index_queue(job_id))
            while True:
                deliveries = await queue.receive(10, wait_s=_LONG_S)
                with self._activity.of(job_id):
                    await self._tiles_uploaded(job_id, queue, deliveries)
        except QueueGone:
            return

    async def _tiles_uploaded(self, job_id: int, queue: Queue, deliveries: list[Delivery]) -> None:
        """Mark tiles, announce the chunks they complete, and only when that is safe delete the messages."""
        dead = [one for one in deliveries if one.deliveries > _MOST_DELIVERIES]
        done, ready = list(dead), []
        for delivery in deliveries:
            if delivery in dead:
                continue
            try:
                if await self._mark(job_id, delivery.body):
                    ready.append(delivery.body)
            except (ValueError, KeyError, TypeError) as error:
                _log.warning("job %d: index message %.200r has no effect: %r", job_id, delivery.body, error)
            else:
                done.append(delivery)
        await self._state.database.committed()
        for name, bodies in (
            (queues.ingest_queue(job_id), ready),
            (queues.dead_letter_queue(job_id), [one.body for one in dead]),
        ):
            if bodies:
                target = self._state.queues.get(name)
                target.send(bodies)
                await target.committed()
        for delivery in done:
            queue.delete(delivery.receipt)

    async def _mark(self, job_id: int, body: str) -> bool:
        message = json.loads(body)
        chunk_key, tile_key = message["chunk_key"], message["tile_key"]
        lost = await self._state.faults.lost("server.tile_uploaded", job_id=job_id, key=tile_key)
        if lost or self._random.random() < self._state.settings.lost_index_rate:
            return False
        return self._state.tile_index.mark(int(message["ingest_job"]), chunk_key, tile_key)

    async def _ingest(self, job_id: int) -> None:
        try:
            queue = self._state.queues.get(queues.ingest_queue(job_id))
            while True:
                for delivery in await queue.receive(1, wait_s=_LONG_S):
                    with self._activity.of(job_id):
                        if await self._chunk_ingested(job_id, delivery.body):
                            queue.delete(delivery.receipt)
        except QueueGone:
            return

    async def _chunk_ingested(self, job_id: int, body: str) -> bool:
        """Store one chunk, or find that there is nothing to store; False when the message must come back."""
        try:
            message = json.loads(body)
            chunk_key = message["chunk_key"]
            if await self._state.faults.lost("server.tile_ingest", job_id=job_id, key=chunk_key):
                return True
            staged = self._staged(job_id, chunk_key)
            if staged is not None:
                await self._store(job_id, chunk_key, staged, message["parameters"]["resource"])
                self._state.objects.tag(staged)
                self._state.tile_index.remove(job_id, chunk_key)
        except Exception as error:  # noqa: BLE001 - like a lambda: whatever it was, the message comes back
            _log.warning("job %d: a chunk is not stored: %r; message %.200r", job_id, error, body)
            return False
        return True

    def _staged(self, job_id: int, chunk_key: str) -> list[StoredObject] | None:
        """The tiles of a chunk by slice; None when there is nothing (more) to be done about it."""
        keys = self._state.tile_index.tiles(job_id, chunk_key)
        if keys is None or len(keys) < ChunkKey.decode(chunk_key).num_tiles:
            return None
        keys.sort(key=lambda key: TileKey.decode(key).z)
        found = [self._state.objects.get(TILE_BUCKET, key) for key in keys]
        for key, tile in zip(keys, found, strict=True):
            if tile is None or not all(field in tile.metadata for field in _MANDATORY):
                _log.warning("job %d: chunk %s is dropped: tile %s is not found", job_id, chunk_key, key)
                return None
        return [tile for tile in found if tile is not None]

    async def _store(
        self, job_id: int, chunk_key: str, staged: list[StoredObject], resource: dict[str, Any]
    ) -> None:
        objects = self._state.objects
        dtype = resource["channel"]["datatype"]
        files, errors = await asyncio.get_running_loop().run_in_executor(
            self._threads, _cut_to_files, chunk_key, staged, dtype, objects.incoming_path
        )
        for file in files:
            objects.adopt(
                file.path,
                bucket=CUBOID_BUCKET,
                key=f"{file.key}&0",
                size_bytes=file.size_bytes,
                etag=file.etag,
                metadata={},
            )
        if errors:
            fields = ({"tile_key": key, "chunk_key": chunk_key, "error": error} for key, error in errors)
            self._state.queues.get(queues.error_queue(job_id)).send([json.dumps(each) for each in fields])
        await self._state.database.committed()


@dataclass(frozen=True, slots=True)
class _CuboidFile:
    key: str
    path: Path
    size_bytes: int
    etag: str


def _cut_to_files(
    chunk_key: str,
    staged: list[StoredObject],
    dtype: str,
    incoming_path: Callable[[], Path],
) -> tuple[list[_CuboidFile], list[tuple[str, str]]]:
    """Read, cut, compress and write one chunk; runs in a thread."""
    cut = cut_chunk(chunk_key, [_tile(stored) for stored in staged], dtype=dtype)
    files = []
    for key, body in cut.cuboids:
        path = incoming_path()
        path.write_bytes(body)
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
        files.append(_CuboidFile(key, path, len(body), etag))
    return files, cut.errors


def _tile(stored: StoredObject) -> StagedTile:
    stated: dict[str, Any] = json.loads(stored.metadata.get("metadata", "{}"))
    return StagedTile(
        stored.key, stored.read(), int(stated.get("x_size", 1024)), int(stated.get("y_size", 1024))
    )
