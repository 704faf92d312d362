"""One task from its lease to the store: the tile path and the chunk path.

Each path returns only when everything its message asks for is stored, and, for a tile, the index
message was accepted. Acknowledging is left to the pipeline, so nothing here can do it early.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from boss_ingest.aws.queue import IndexQueue, Lease
from boss_ingest.boss.keys import LookupIds
from boss_ingest.config.extent import Extent
from boss_ingest.engine.chunk_source import Chunk, ChunkSource
from boss_ingest.engine.events import Converted, Observer, Substituted
from boss_ingest.engine.read_ahead import ReadAhead
from boss_ingest.engine.retry import Retrier
from boss_ingest.engine.store import Store, compact, cuboid_metadata, tile_metadata
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.tasks import ChunkTask, Cuboid, parse_chunk_task, parse_tile_task
from boss_ingest.engine.tile_source import TileSource
from boss_ingest.errors import Disposition, IngestError


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What every message of a job is checked against and every object is labelled with.

    `parameters` is what the join answered and the server wants back in each message.
    """

    job_id: int
    extent: Extent
    ids: LookupIds | None
    parameters: Mapping[str, Any]
    resolution: int = 0


def _not_heard() -> None:
    pass


class TaskPath(Protocol):
    """How one kind of task is done."""

    async def store(self, lease: Lease, *, put: Callable[[], None] = _not_heard) -> None:
        """Do all that the message asks for. Raises TaskError or ServiceError, and may be called again.

        `put` is called when nothing of the source is held in memory any more, if there is more to do then.
        """


class TilePath:
    """Read → encode → PUT → index message, for one tile of `tile_yx` rows and columns."""

    def __init__(
        self,
        facts: JobFacts,
        tile_yx: tuple[int, int],
        *,
        source: TileSource,
        store: Store,
        index: IndexQueue,
        retry: Retrier,
        tally: Tally,
        observe: Observer,
    ) -> None:
        self._facts = facts
        self._tile_yx = tile_yx
        self._source = source
        self._store = store
        self._index = index
        self._retry = retry
        self._tally = tally
        self._observe = observe
        y_size, x_size = tile_yx
        sizes = {"x_size": x_size, "y_size": y_size}
        self._short_form = compact(sizes)
        job = compact({"ingest_job": facts.job_id, "parameters": facts.parameters, **sizes})
        self._end_of_message = job.removeprefix("{")  # the same for all tiles, and most of it

    async def store(self, lease: Lease, *, put: Callable[[], None] = _not_heard) -> None:
        """Do all that the message asks for. Raises TaskError or ServiceError, and may be called again."""
        facts = self._facts
        task = parse_tile_task(
            lease,
            extent=facts.extent,
            tile_yx=self._tile_yx,
            ids=facts.ids,
            resolution=facts.resolution,
            job_id=facts.job_id,
        )
        tile = await self._source.read(task)
        message = f'{{"chunk_key":"{task.chunk_key}","tile_key":"{task.key}",{self._end_of_message}'
        metadata = tile_metadata(lease, message, self._short_form)
        await self._store.put(task.key, tile.image.body, metadata=metadata, until_s=lease.deadline_s)
        made_up, converted, passed_through = tile.made_up, tile.image.converted, tile.image.passed_through
        del tile
        put()
        await self._retry(
            "SQS SendMessage",
            lambda: self._index.send(message),
            what=f"index {task.key}",
            until_s=lease.deadline_s,
        )
        if made_up:
            self._tally.substituted += 1
            self._observe(Substituted(task.key, made_up, lease.message_id))
        if converted:
            self._observe(Converted(task.key, lease.message_id))
        self._tally.passed_through += passed_through
        self._tally.converted += converted


class ChunkPath:
    """Read once → cut, pad, blosc → PUT every cuboid, for one chunk of `chunk_zyx` voxels."""

    def __init__(
        self,
        facts: JobFacts,
        chunk_zyx: tuple[int, int, int],
        *,
        source: ChunkSource,
        ahead: ReadAhead,
        store: Store,
        tally: Tally,
        observe: Observer,
        include_outside: bool,
    ) -> None:
        self._facts = facts
        self._chunk_zyx = chunk_zyx
        self._source = source
        self._ahead = ahead
        self._store = store
        self._tally = tally
        self._observe = observe
        self._include_outside = include_outside
        self._short_form = compact({"ingest_job": facts.job_id})

    async def store(self, lease: Lease, *, put: Callable[[], None] = _not_heard) -> None:  # noqa: ARG002 - nothing is left to do
        """Do all that the message asks for. Raises TaskError or ServiceError, and may be called again.

        A cuboid that cannot be stored does not hold up its neighbours; its error is raised when all
        the others are through.
        """
        facts = self._facts
        task = parse_chunk_task(
            lease,
            extent=facts.extent,
            chunk_zyx=self._chunk_zyx,
            ids=facts.ids,
            include_outside=self._include_outside,
            resolution=facts.resolution,
            job_id=facts.job_id,
        )
        long_form = compact({
            "ingest_job": facts.job_id, "chunk_key": task.key, "parameters": facts.parameters
        })  # fmt: skip
        metadata = cuboid_metadata(long_form, self._short_form)
        async with self._ahead.reading(objects=len(task.cuboids)):
            chunk = await self._source.read(task)
        if chunk.left_out:
            self._ahead.settled(len(task.cuboids))
        else:
            await self._store_cuboids(task, chunk, metadata, until_s=lease.deadline_s)
            self._tally.substituted += bool(chunk.made_up)
            self._tally.converted += chunk.converted
        self._tally.skipped_outside += task.outside
        self._tally.left_out += chunk.left_out
        if chunk.made_up:
            self._observe(Substituted(task.key, chunk.made_up, lease.message_id, chunk.left_out))
        if chunk.converted and not chunk.left_out:
            self._observe(Converted(task.key, lease.message_id))

    async def _store_cuboids(
        self, task: ChunkTask, chunk: Chunk, metadata: Mapping[str, str], *, until_s: float
    ) -> None:
        failed: list[IngestError] = []

        async def one(cuboid: Cuboid) -> None:
            try:
                body = await chunk.body(cuboid)
                await self._store.put(cuboid.key, body, metadata=metadata, until_s=until_s)
            except IngestError as error:
                failed.append(error)
            finally:
                self._ahead.settled()

        async with asyncio.TaskGroup() as group:
            for cuboid in task.cuboids:
                group.create_task(one(cuboid))
        if failed:
            raise next((error for error in failed if error.disposition is Disposition.STOP), failed[0])
