"""The calls that make, watch and end ingest jobs; each tells the Boss's many answers apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from boss_ingest.boss import job_answers
from boss_ingest.boss.answers import (
    BAD_REQUEST,
    INVALID_REQUEST,
    OBJECT_NOT_FOUND,
    SYSTEM_ERROR,
    Answer,
    BossRefusedError,
    ForeignAnswerError,
    ResourceMissingError,
    error_of,
)
from boss_ingest.boss.completion import Completion, completion_of_state, read_completion, tells_a_state
from boss_ingest.boss.connection import Connection
from boss_ingest.boss.jobs import Job, JobState, JobStatus, JobSummary, Joined
from boss_ingest.boss.transport import NeverSentError
from boss_ingest.errors import (
    ConfigError,
    GaveUpError,
    IngestError,
    JobGoneError,
    NotAllowedError,
    TransientError,
)

T = TypeVar("T")

_START_ANEW = "cancel it and create a new job; what is stored already stays stored"


class QueueLostError(JobGoneError):
    """A job is live, as the Boss has it, but its queue was deleted: it is just being ended, or was broken."""


class JobCalls(Connection):
    """What the Boss can be asked about jobs. All calls but `create` are repeated until they are answered.

    Every call raises NotAllowedError (token, permission), GaveUpError (no usable answer for long) and
    BossRefusedError (never); the calls about one job raise JobGoneError when it is no more.
    """

    async def create(self, config: Mapping[str, object]) -> Job:
        """Create a job from a job file in its server form. Sent once: a second would be a second job.

        Raises ConfigError when the Boss does not accept the job file; GaveUpError when it is not known
        whether the job came to be.
        """
        doing = "creating the ingest job"
        try:
            answer = await self._send(doing, "POST", "ingest/", json=config)
            if answer.status == 201:
                return job_answers.read(answer, job_answers.job, doing)
            raise _refused_creation(answer, doing)
        except TransientError as error:
            hint = (
                "it may have come to be all the same: look with `boss-ingest jobs` before creating it again"
            )
            if isinstance(error, NeverSentError) or error.http_status == 429:
                hint = "nothing was created; run the same command again later"
            raise GaveUpError(error.what, hint=hint) from error

    async def jobs(self) -> list[JobSummary]:
        """The user's jobs that were not cancelled, oldest first as a rule."""
        return await self._persist(self._jobs_once)

    async def join(self, job_id: int) -> Joined:
        """Join a job: fresh AWS keys, queues and buckets. Each join makes the server create an AWS user.

        A job that has ended well is told by `job.state`, and has no credentials; so has one that is still
        PREPARING, which only further joins move on. Raises JobGoneError: cancelled, failed, never there.
        """
        doing = f"joining job {job_id}"

        async def attempt() -> Joined:
            answer = await self._send(doing, "GET", f"ingest/{job_id:d}")
            if answer.status == 200:
                joined = job_answers.read(answer, job_answers.joined, doing)
                return _of_this_job(joined, joined.job.id, job_id, doing)
            if "Error generating ingest job messages" in answer.message:
                raise JobGoneError(f"the Boss could not fill the queue of job {job_id}", hint=_START_ANEW)
            if answer.code == SYSTEM_ERROR:
                return await self._after_refused_join(answer, job_id, doing)
            raise _error_of_job(answer, job_id, doing)

        return await self._persist(attempt)

    async def status(self, job_id: int) -> JobStatus:
        """How far the job is. Raises JobGoneError when it was cancelled or never there."""
        return await self._persist(lambda: self._status_once(job_id))

    async def cancel(self, job_id: int) -> None:
        """Cancel a live job. Raises JobGoneError: was cancelled before; BossRefusedError: is complete.

        Tells by the status what a broken connection or a system error left behind: a job that is gone
        after an attempt of ours is a job that we cancelled.
        """
        doing, ours = f"cancelling job {job_id}", False

        async def attempt() -> None:
            nonlocal ours
            try:
                answer = await self._send(doing, "DELETE", f"ingest/{job_id:d}")
            except TransientError as error:
                ours = ours or not isinstance(error, NeverSentError)
                raise
            if answer.status in (200, 204):
                return
            if answer.code in (SYSTEM_ERROR, INVALID_REQUEST) and await self._is_cancelled(job_id):
                if ours:
                    return
                raise JobGoneError(f"job {job_id} was cancelled before", hint="there is nothing left to do")
            ours = ours or answer.status >= 500 or answer.code == SYSTEM_ERROR
            raise _error_of_job(answer, job_id, doing)

        await self._persist(attempt)

    async def complete(self, job_id: int) -> Completion:
        """Ask the Boss to complete the job, or how far it is with that; asking twice is as good as once."""
        doing = f"completing job {job_id}"

        async def attempt() -> Completion:
            answer = await self._send(doing, "POST", f"ingest/{job_id:d}/complete")
            completion = read_completion(answer)
            if completion is None and (answer.code == BAD_REQUEST or tells_a_state(answer)):
                completion = await self._by_status(answer, job_id)
            if completion is None:
                raise _error_of_job(answer, job_id, doing)
            return completion

        return await self._persist(attempt)

    async def _jobs_once(self) -> list[JobSummary]:
        doing = "listing the ingest jobs"
        answer = await self._send(doing, "GET", "ingest/")
        if answer.status != 200:
            raise error_of(answer, doing)
        return job_answers.read(answer, job_answers.summaries, doing)

    async def _status_once(self, job_id: int) -> JobStatus:
        doing = f"asking for the status of job {job_id}"
        answer = await self._send(doing, "GET", f"ingest/{job_id:d}/status")
        if answer.is_queue_gone:
            raise QueueLostError(f"the queue of job {job_id} is gone", hint=_START_ANEW)
        if answer.status != 200:
            raise _error_of_job(answer, job_id, doing)
        status = job_answers.read(answer, job_answers.status, doing)
        return _of_this_job(status, status.id, job_id, doing)

    async def _after_refused_join(self, answer: Answer, job_id: int, doing: str) -> Joined:
        """A tile job that has ended is refused with a system error: its queue is looked for first."""
        try:
            status = await self._status_once(job_id)
        except TransientError as error:
            raise _error_of_job(answer, job_id, doing) from error
        if status.state is JobState.COMPLETE or (
            status.state is JobState.COMPLETING and answer.is_queue_gone
        ):
            return Joined(await self._job_of(status))
        if status.state is JobState.FAILED or answer.is_queue_gone:
            what = f"job {job_id} is {status.state.name}, and its queue is gone"
            raise JobGoneError(what, hint=_START_ANEW)
        raise _error_of_job(answer, job_id, doing)

    async def _job_of(self, status: JobStatus) -> Job:
        """A job that cannot be joined any more, from the list of jobs; nameless when it is not in there."""
        try:
            lines = await self._jobs_once()
        except IngestError:
            lines = []
        for line in lines:
            if line.id == status.id:
                names = line.collection, line.experiment, line.channel
                return Job(status.id, *names, status.state, line.ingest_type, tile_count=status.total)
        return Job(status.id, "", "", "", status.state, "tile", tile_count=status.total)

    async def _is_cancelled(self, job_id: int) -> bool:
        try:
            status = await self._status_once(job_id)
        except QueueLostError:
            return False
        except JobGoneError:
            return True
        if status.state is JobState.COMPLETE:
            raise BossRefusedError(f"job {job_id} is complete", hint="there is nothing left to cancel")
        return status.state is JobState.DELETED

    async def _by_status(self, answer: Answer, job_id: int) -> Completion | None:
        """What a job's status makes of an answer to complete that does not say enough by itself."""
        status = await self._status_once(job_id)
        if status.state is JobState.PREPARING:
            what = f"job {job_id} is still PREPARING and cannot be completed: {answer.message}"
            raise BossRefusedError(what, hint="wait until it is UPLOADING, or cancel it", code="1006")
        if status.state.is_final and status.state is not JobState.COMPLETE:
            raise JobGoneError(f"job {job_id} is {status.state.name}: {answer.message}", hint=_START_ANEW)
        return completion_of_state(status.state, answer.message)


def _of_this_job(told: T, told_id: int, job_id: int, doing: str) -> T:
    """What was told, if it is of the job that was asked about: something in between may mix up answers."""
    if told_id != job_id:
        raise TransientError(f"{doing}: the answer is about job {told_id}")
    return told


def _error_of_job(answer: Answer, job_id: int, doing: str) -> IngestError:
    if answer.status == 404 and answer.code == OBJECT_NOT_FOUND:
        return JobGoneError(
            f"there is no ingest job {job_id}", hint="`boss-ingest jobs` lists yours; is it on this Boss?"
        )
    if answer.status == 404 and answer.code == INVALID_REQUEST:
        return JobGoneError(f"job {job_id} was cancelled", hint="create a new job to ingest the data")
    return error_of(answer, doing)


def _refused_creation(answer: Answer, doing: str) -> IngestError:
    error = error_of(answer, doing)
    if answer.code == 2006:
        hint = "large ingests need membership of the group bossingest: ask the Boss's administrators"
        return NotAllowedError(error.what, hint=hint)
    if isinstance(error, ResourceMissingError):
        hint = "database in the job file must name a collection, an experiment and a channel that exist"
        return ConfigError(error.what, hint=hint)
    if isinstance(error, ForeignAnswerError):
        return error
    if answer.status == 400 and isinstance(error, BossRefusedError):
        return ConfigError(error.what, hint="`boss-ingest run CONFIG --dry-run` looks for what may be wrong")
    return error
