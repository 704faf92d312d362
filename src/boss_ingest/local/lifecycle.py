"""What moves a job on without a client: filling its queue, verifying it, cleaning up after it.

docs/protocol.md, "Job states" and "Completing".
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from boss_ingest.boss.keys import ChunkKey, TileKey
from boss_ingest.local import queues
from boss_ingest.local.job_plan import read_plan
from boss_ingest.local.job_store import LIVE, Job, State
from boss_ingest.local.populate import ORIGIN, SLICES, messages, write_messages
from boss_ingest.local.queue_store import QueueGone
from boss_ingest.local.settings import ACCOUNT

if TYPE_CHECKING:
    from boss_ingest.local.activity import Activity
    from boss_ingest.local.state import State as Stores
    from boss_ingest.local.tile_processing import TileProcessing
    from boss_ingest.local.workshop import Workshop


class Lifecycle:
    """The step functions of the Boss, resumed when the process is."""

    def __init__(self, stores: Stores, activity: Activity, workshop: Workshop, tiles: TileProcessing) -> None:
        self._stores = stores
        self._activity = activity
        self._workshop = workshop
        self._tiles = tiles

    def resume(self) -> None:
        """Go on with whatever an earlier process left unfinished."""
        for job in self._stores.jobs.all():
            if job.state not in LIVE:
                continue
            if job.populate == "RUNNING":
                self._populate_soon(job)
            if not job.volumetric:
                for name in (queues.index_queue(job.id), queues.ingest_queue(job.id)):
                    self._stores.queues.get(name).release()
                self._tiles.start(job.id)
            if job.state == State.COMPLETING:
                self.verify(job)

    def begin(self, job: Job) -> None:
        """Create the queues of a new job and start to fill the first."""
        settings = self._stores.settings
        visibility_s = {
            queues.ingest_queue(job.id): settings.ingest_visibility_s,
            queues.index_queue(job.id): settings.index_visibility_s,
        }
        for name in job.queue_names:
            self._stores.queues.create(name, visibility_s=visibility_s.get(name, settings.visibility_s))
        if not job.volumetric:
            self._tiles.start(job.id)
        self._populate_soon(job)

    def verify(self, job: Job) -> None:
        """Start the verification of a job that is COMPLETING."""
        self._workshop.start(self._verify(job), name=f"verification of job {job.id}")

    def clean_up(self, job: Job, state: State) -> None:
        """Delete queues and keys and end the job. Raises QueueGone when it has ended before."""
        for name in job.queue_names:
            self._stores.queues.delete(name)
        self._stores.credentials.revoke(job.id)
        self._stores.tile_index.remove_job(job.id)
        self._stores.jobs.set_state(job, state)

    def _populate_soon(self, job: Job) -> None:
        self._workshop.start(self._populate(job), name=f"populating of job {job.id}")

    async def _populate(self, job: Job) -> None:
        settings = self._stores.settings
        started_at = time.monotonic()
        plan = read_plan(job.config)
        queue = self._stores.queues.get(job.upload_queue)
        path = self._stores.queues.filling_path(job.upload_queue)
        bodies = messages(
            plan,
            job.ids,
            job.resolution,
            job_id=job.id,
            upload_url=f"{ORIGIN}/{ACCOUNT}/{job.upload_queue}",
            ingest_url=f"{ORIGIN}/{ACCOUNT}/{queues.ingest_queue(job.id)}",
        )
        stopped = threading.Event()

        def progress(count: int) -> None:
            if stopped.is_set():
                raise QueueGone(queue.name)
            queue.filling = count

        try:
            written = await asyncio.to_thread(
                write_messages,
                path,
                bodies,
                progress=progress,
                shuffle_seed=settings.seed if settings.shuffled else None,
            )
        finally:
            stopped.set()
        await asyncio.sleep(max(0.0, settings.populate_s - (time.monotonic() - started_at)))
        if self._stores.jobs[job.id].state != State.PREPARING:
            path.unlink(missing_ok=True)  # cancelled in the meantime
            return
        queue.replace(path, written)
        failed = settings.populate_fails or written < plan.message_count
        self._stores.jobs.set_populated(job, "FAILED" if failed else "SUCCEEDED")
        await self._stores.database.committed()

    async def _verify(self, job: Job) -> None:
        await self._activity.idle(job.id, waiting=lambda: self._waiting(job))
        missing, complete = [], []
        for chunk_key in [] if job.volumetric else self._stores.tile_index.chunks(job.id):
            lacking = self._missing_tiles(job, chunk_key)
            missing += [(chunk_key, tile_key) for tile_key in lacking]
            if not lacking:
                complete.append(chunk_key)
        if missing:
            self._stores.queues.get(job.upload_queue).send([self._task(job, *keys) for keys in missing])
        if complete:
            self._stores.queues.get(queues.ingest_queue(job.id)).send(
                [self._chunk(job, key) for key in complete]
            )
        if missing or complete:
            state = State.UPLOADING if missing else State.WAIT_ON_QUEUES
            self._stores.jobs.set_state(job, state, only_from=State.COMPLETING)
        elif self._stores.jobs[job.id].state == State.COMPLETING:
            self.clean_up(job, State.COMPLETE)
        await self._stores.database.committed()

    def _waiting(self, job: Job) -> int:
        internal = [] if job.volumetric else [queues.ingest_queue(job.id), queues.index_queue(job.id)]
        return sum(self._stores.queues.get(name).depth().visible for name in internal)

    def _missing_tiles(self, job: Job, chunk_key: str) -> list[str]:
        chunk = ChunkKey.decode(chunk_key)
        arrived = set(self._stores.tile_index.tiles(job.id, chunk_key) or ())
        first = chunk.z * SLICES
        keys = [
            TileKey(chunk.ids, chunk.resolution, chunk.x, chunk.y, z, chunk.t).encode()
            for z in range(first, first + chunk.num_tiles)
        ]
        return [key for key in keys if key not in arrived]

    def _task(self, job: Job, chunk_key: str, tile_key: str) -> str:
        return json.dumps(
            {
                "job_id": job.id,
                "upload_queue_arn": f"{ORIGIN}/{ACCOUNT}/{job.upload_queue}",
                "ingest_queue_arn": f"{ORIGIN}/{ACCOUNT}/{queues.ingest_queue(job.id)}",
                "chunk_key": chunk_key,
                "tile_key": tile_key,
            }
        )

    def _chunk(self, job: Job, chunk_key: str) -> str:
        size: dict[str, Any] = job.config["ingest_job"]["tile_size"]
        return json.dumps(
            {
                "chunk_key": chunk_key,
                "ingest_job": job.id,
                "parameters": {"resource": job.resource},
                "x_size": size["x"],
                "y_size": size["y"],
            }
        )
