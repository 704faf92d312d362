"""The ingest endpoints, with their quirks (docs/protocol.md, "Creating a job" to "Completing")."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web

from boss_ingest.local.job_plan import InvalidConfig, read_plan
from boss_ingest.local.job_store import Job, State
from boss_ingest.local.queue_store import QueueGone
from boss_ingest.local.resource_store import MissingResource
from boss_ingest.local.rest_errors import BossError, system_error
from boss_ingest.local.rest_join import NO_QUEUE, Joining
from boss_ingest.local.settings import ADMIN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from boss_ingest.local.lifecycle import Lifecycle
    from boss_ingest.local.rest import Asked
    from boss_ingest.local.state import State as Stores


class JobEndpoints:
    """Create, list, join, status, cancel, complete."""

    def __init__(self, stores: Stores, lifecycle: Lifecycle) -> None:
        self._stores = stores
        self._lifecycle = lifecycle
        self._joining = Joining(stores)
        self.handlers: dict[str, Callable[[Asked], Awaitable[web.Response]]] = {
            "create": self._create,
            "list": self._list,
            "join": self._join,
            "status": self._status,
            "cancel": self._cancel,
            "complete": self._complete,
        }

    async def _create(self, asked: Asked) -> web.Response:
        try:
            plan = read_plan(asked.body)
        except InvalidConfig as error:
            raise BossError(400, 1004, f"Failed to validate ingest config: {error}") from None
        names = asked.body["database"]
        try:
            path = self._stores.resources.channel(names["collection"], names["experiment"], names["channel"])
        except MissingResource as missing:
            shown = None if self._stores.settings.faithful else missing.name
            raise BossError(404, 4000, f"{missing.kind.capitalize()} {shown} not found") from None
        try:
            count = plan.task_count
        except ZeroDivisionError as error:
            raise system_error(f"Unable to create the upload and ingest queue.{error}") from None
        job = self._stores.jobs.add(
            asked.user or "", asked.body, path, volumetric=plan.ingest_type == "volumetric", tile_count=count
        )
        self._lifecycle.begin(job)
        return web.json_response(self._joining.summary(job), status=201)

    async def _list(self, asked: Asked) -> web.Response:
        if asked.user is None:
            raise system_error("Unable to list the jobs of an anonymous user.")
        jobs = [
            job
            for job in self._stores.jobs.all()
            if job.state != State.DELETED and asked.user in (job.creator, ADMIN)
        ]
        return web.json_response({"ingest_jobs": [_listed(job) for job in jobs]})

    async def _join(self, asked: Asked) -> web.Response:
        return web.json_response(await self._joining.join(self._job(asked, "join")))

    async def _status(self, asked: Asked) -> web.Response:
        job = self._job(asked, "check the status of")
        if job.state == State.DELETED:
            raise BossError(404, 2004, f"The job with id {job.id} has been deleted")
        count = 0 if job.state == State.COMPLETE else self._visible(job.upload_queue)
        return web.json_response(
            {
                "id": job.id,
                "status": job.state,
                "total_message_count": job.tile_count,
                "current_message_count": count,
            }
        )

    async def _cancel(self, asked: Asked) -> web.Response:
        job = self._job(asked, "cancel")
        try:
            self._lifecycle.clean_up(job, State.DELETED)
        except QueueGone:
            raise system_error(f"Unable to complete cleanup {NO_QUEUE}") from None
        return web.Response(status=204)

    async def _complete(self, asked: Asked) -> web.Response:
        job = self._job(asked, "complete")
        refusals = {
            State.PREPARING: "You cannot complete a job that is still preparing. You must cancel instead.",
            State.DELETED: "Ingest job has already been cancelled.",
            State.FAILED: "Ingest job has failed during creation. You must Cancel instead.",
        }
        if job.state in refusals:
            raise BossError(400, 1006, refusals[job.state])
        if job.state == State.COMPLETE:
            return web.Response(status=204)
        if job.state == State.COMPLETING:
            return web.json_response({"job_status": 5}, status=202)
        return self._advance(job)

    def _advance(self, job: Job) -> web.Response:
        if self._visible(job.upload_queue):
            self._stores.jobs.set_state(job, State.UPLOADING, only_from=State.WAIT_ON_QUEUES)
            raise BossError(400, 1006, "Upload queue is not empty")
        period_s = self._stores.settings.quiet_period_s
        if not job.volumetric and any(self._visible(name) for name in job.queue_names[1:3]):
            body: dict[str, Any] = {"wait_secs": _whole(period_s), "info": "Internal queues not empty yet"}
            return web.json_response(body, status=400)
        if job.state == State.UPLOADING:
            self._stores.jobs.start_quiet_period(job)
            since = job.quiet_since if self._stores.settings.faithful else None  # of the row as it was
            left_s = period_s if since is None else max(0.0, period_s - (time.time() - since))
            return web.json_response({"job_status": 6, "wait_secs": _whole(left_s)}, status=202)
        left_s = max(0.0, period_s - (time.time() - (job.quiet_since or 0.0)))
        if left_s > 0:
            return web.json_response({"job_status": 6, "wait_secs": left_s}, status=400)
        if self._stores.jobs.set_state(job, State.COMPLETING, only_from=State.WAIT_ON_QUEUES):
            self._lifecycle.verify(job)
        return web.json_response({"job_status": 5, "wait_secs": 0}, status=202)

    def _job(self, asked: Asked, verb: str) -> Job:
        job_id = int(asked.path[0])
        try:
            job = self._stores.jobs[job_id]
        except (KeyError, OverflowError):
            raise BossError(404, 4004, f"The ingest job with id {job_id} does not exist") from None
        if asked.user not in (job.creator, ADMIN):
            raise BossError(403, 3003, f"Only the creator or admin can {verb} an ingest job")
        return job

    def _visible(self, queue: str) -> int:
        try:
            return self._stores.queues.get(queue).depth().visible
        except QueueGone:
            raise system_error(NO_QUEUE) from None


def _listed(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        **job.database,
        "created_on": _iso(job.created_at),
        "completed_on": _iso(job.ended_at),
        "status": job.state,
        "ingest_type": int(job.volumetric),
    }


def _iso(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def _whole(seconds: float) -> float:
    return int(seconds) if seconds == int(seconds) else seconds
