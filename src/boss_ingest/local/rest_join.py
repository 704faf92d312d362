"""The join: what moves a job on to UPLOADING and hands out keys (docs/protocol.md, "Joining")."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boss_ingest.local.job_store import Job, State
from boss_ingest.local.queue_store import QueueGone
from boss_ingest.local.queues import ingest_queue
from boss_ingest.local.rest_errors import BossError, system_error
from boss_ingest.local.settings import ACCOUNT, CUBOID_BUCKET, INGEST_BUCKET, REGION, TILE_BUCKET

if TYPE_CHECKING:
    from boss_ingest.local.state import State as Stores

_WORKING = (State.UPLOADING, State.COMPLETING, State.WAIT_ON_QUEUES)
NO_QUEUE = (
    "An error occurred (AWS.SimpleQueueService.NonExistentQueue) when calling the GetQueueUrl operation: "
    "The specified queue does not exist."
)


class Joining:
    """Builds the answers that describe a job."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def summary(self, job: Job) -> dict[str, Any]:
        """The job as create returns it."""
        live = job.state not in (State.COMPLETE, State.DELETED)
        url = self._stores.queues.url
        return {
            "id": job.id,
            **job.database,
            "status": job.state,
            "ingest_queue": url(ingest_queue(job.id)) if live and not job.volumetric else None,
            "upload_queue": url(job.upload_queue) if live else None,
            "tile_count": job.tile_count,
            "ingest_type": int(job.volumetric),
        }

    async def join(self, job: Job) -> dict[str, Any]:
        """The answer to a join. Raises BossError."""
        described = {**self.summary(job), "tile_index_queue": self._index_url(job)}
        if job.state == State.DELETED:
            raise BossError(404, 2004, f"The job with id {job.id} has been deleted")
        if job.state in (State.COMPLETE, State.FAILED):
            return {"ingest_job": described}
        if job.state == State.PREPARING:
            job = self._start_uploading(job)
            described["status"] = job.state
        return {
            "ingest_job": described,
            "credentials": await self._credentials(job) if job.state in _WORKING else None,
            "tile_bucket_name": TILE_BUCKET,
            "ingest_bucket_name": INGEST_BUCKET,
            **self._settings(),
            "resource": job.resource,
            "ingest_lambda": "deprecated",
        }

    def _index_url(self, job: Job) -> str | None:
        """Looked up by name before the state is: so a finished tile job answers 400."""
        if job.index_queue is None:
            return None
        try:
            self._stores.queues.get(job.index_queue)
        except QueueGone:
            if self._stores.settings.faithful:
                raise system_error(NO_QUEUE) from None
            return None
        return self._stores.queues.url(job.index_queue)

    def _start_uploading(self, job: Job) -> Job:
        if job.populate == "FAILED":
            raise system_error(
                f"Error generating ingest job messages Delete the ingest job with id {job.id} and try again."
            )
        if job.populate == "SUCCEEDED":
            self._stores.jobs.set_state(job, State.UPLOADING)
            self._stores.jobs.grant_role(job)
            return self._stores.jobs[job.id]
        return job

    async def _credentials(self, job: Job) -> dict[str, Any] | None:
        lost = await self._stores.faults.lost("server.credentials", job_id=job.id)
        if lost or not job.role:
            return None
        if self._stores.null_credentials > 0:
            self._stores.null_credentials -= 1
            return None
        minted = self._stores.credentials.mint(
            job=job.id, bucket=job.bucket, upload_queue=job.upload_queue, index_queue=job.index_queue
        )
        return {"access_key": minted.access_key, "secret_key": minted.secret_key, "security_token": None}

    def _settings(self) -> dict[str, Any]:
        """What clients echo without understanding it."""
        function = "multiLambda-local-boss"
        return {
            "KVIO_SETTINGS": {"cache_host": "cache.local.boss", "cache_db": 0, "read_timeout": 1209600},
            "STATEIO_CONFIG": {"cache_state_host": "cache-state.local.boss", "cache_state_db": 0},
            "OBJECTIO_CONFIG": {
                "s3_flush_queue": self._stores.queues.url("S3flushLocalBoss"),
                "cuboid_bucket": CUBOID_BUCKET,
                "page_in_lambda_function": function,
                "page_out_lambda_function": function,
                "ingest_lambda_function": "tileIngestLambda-local-boss",
                "s3_index_table": "s3index.local.boss",
                "id_index_table": "idIndex.local.boss",
                "id_count_table": "idCount.local.boss",
                "prod_mailing_list": f"arn:aws:sns:{REGION}:{ACCOUNT}:BossMailingList",
                "id_index_new_chunk_threshold": "100",
            },
        }
