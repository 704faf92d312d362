"""An auditor inside a local Boss: is what is deleted from the upload queue stored, at the very instant?"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from boss_ingest.boss.keys import ChunkKey
from boss_ingest.local import queues
from boss_ingest.local.settings import INGEST_BUCKET, TILE_BUCKET

if TYPE_CHECKING:
    from boss_ingest.config.extent import Extent
    from boss_ingest.local.boss import LocalBoss
    from boss_ingest.local.queue_store import Queue


class Audit:
    """Watches the queues of one job from the side of the Boss.

    `deleted` has the body of each message that a client deleted, `too_early` those of which not everything
    was stored then: each cuboid inside the extent, or the tile and its index message.
    """

    def __init__(
        self, boss: LocalBoss, job_id: int, *, extent: Extent, chunk_zyx: tuple[int, int, int]
    ) -> None:
        self._state = boss._state
        self._extent = extent
        self._chunk_zyx = chunk_zyx
        self.deleted: list[str] = []
        self.too_early: list[str] = []
        self.indexed: list[str] = []
        self._watch_upload(self._state.queues.get(queues.upload_queue(job_id)))
        index = self._state.jobs[job_id].index_queue
        if index is not None:
            self._watch_index(self._state.queues.get(index))

    def _watch_upload(self, queue: Queue) -> None:
        delete = queue.delete

        def watched(receipt: str) -> bool:
            body = _body(queue, receipt)
            if body is not None:
                self.deleted.append(body)
                if not self._is_stored(json.loads(body)):
                    self.too_early.append(body)
            return delete(receipt)

        queue.delete = watched  # type: ignore[method-assign]  # an auditor's ear

    def _watch_index(self, queue: Queue) -> None:
        send = queue.send

        def watched(bodies: list[str], **options: Any) -> list[str]:
            self.indexed += [str(json.loads(body)["tile_key"]) for body in bodies]
            return send(bodies, **options)

        queue.send = watched  # type: ignore[method-assign,assignment]  # an auditor's ear

    def _is_stored(self, task: dict[str, Any]) -> bool:
        objects = self._state.objects
        if "tile_key" in task:
            key = task["tile_key"]
            return objects.get(TILE_BUCKET, key) is not None and key in self.indexed
        wanted = [cuboid["key"] for cuboid in task["cuboids"] if self._is_inside(task["chunk_key"], cuboid)]
        return bool(wanted) and all(objects.get(INGEST_BUCKET, key) for key in wanted)

    def _is_inside(self, chunk_key: str, cuboid: dict[str, Any]) -> bool:
        chunk = ChunkKey.decode(chunk_key)
        index_zyx, size = (chunk.z, chunk.y, chunk.x), self._chunk_zyx
        corner = [at * size[axis] + cuboid["zyx"[axis]] for axis, at in enumerate(index_zyx)]
        ends = [getattr(self._extent, axis).stop for axis in "zyx"]
        return all(low < end for low, end in zip(corner, ends, strict=True))


def _body(queue: Queue, receipt: str) -> str | None:
    """Of the message that this receipt would delete; None when it would delete nothing."""
    claim = queue._receipts.read(receipt)
    row = claim and queue._database.one("SELECT body FROM messages WHERE id = ? AND deliveries = ?", claim)
    return str(row[0]) if row else None
