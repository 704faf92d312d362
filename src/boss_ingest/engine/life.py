"""The life of a job as one client lives it: create → join → upload → complete, and back when asked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from boss_ingest.aws.account import Keys
from boss_ingest.aws.sqs import import_sdk
from boss_ingest.boss.client import BossClient
from boss_ingest.boss.job_calls import QueueLostError
from boss_ingest.boss.jobs import JobState, Joined
from boss_ingest.engine import events
from boss_ingest.engine.expiry import utc_now
from boss_ingest.engine.finish import finish
from boss_ingest.engine.joining import check_same_job, check_storable, join_when_ready, keys_of
from boss_ingest.engine.patience import go_on_with, patient
from boss_ingest.engine.pipeline import End
from boss_ingest.engine.rounds import Rounds
from boss_ingest.engine.upload import Work
from boss_ingest.engine.uploader import Access, open_uploader
from boss_ingest.errors import (
    ExitCode,
    IngestError,
    JobGoneError,
    NotAllowedError,
    QueueGoneError,
    StopRequestedError,
    TransientError,
)

_ENDS_WELL = {JobState.COMPLETE, JobState.COMPLETING, JobState.WAIT_ON_QUEUES}

_SETTLING_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # between looks at a job whose queue has just gone


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the work on a job ended for this client, when no error ended it."""

    job_id: int
    exit_code: ExitCode
    why: str


async def ingest(work: Work, boss: BossClient, job_id: int, *, ca_bundle: Path | None = None) -> Outcome:
    """Work on a job that exists until it is complete, or nothing more can be done here.

    Raises any IngestError that ends the run; its `exit_code` is the process's. Whatever happens,
    what was not stored is still in the queue.
    """
    if work.options.processes == 1:  # the parent of several has no use for it
        asyncio.get_running_loop().run_in_executor(None, import_sdk)  # it is wanted after the join
    try:
        return await _until_it_ends(work, boss, job_id, ca_bundle=ca_bundle)
    except StopRequestedError as error:
        raise StopRequestedError(
            f"job {job_id} is not finished; nothing is lost",
            hint=f"go on with `boss-ingest join --job-id {job_id}`",
        ) from error
    except NotAllowedError as error:
        raise NotAllowedError(error.what, hint=f"{error.hint}; {go_on_with(job_id)}") from error


async def _until_it_ends(work: Work, boss: BossClient, job_id: int, *, ca_bundle: Path | None) -> Outcome:
    """A person waits for the answer to the first join; from then on the Boss may be away for a while."""
    later = patient(boss, job_id, give_up_s=work.options.give_up_s, observe=work.observe)
    boss = boss.with_patience(hint=go_on_with(job_id))
    rounds = Rounds(job_id, work.tally)
    while True:
        joined = await join_when_ready(boss, job_id, then=later, stop=work.stop, observe=work.observe)
        boss = later
        check_same_job(joined, work.job)
        work.tally.total = joined.job.tile_count
        if joined.job.state is JobState.COMPLETE:
            return _complete(work, job_id)
        if joined.job.state is JobState.UPLOADING:
            check_storable(joined)
            if outcome := await _upload_and_finish(work, boss, joined, rounds, ca_bundle=ca_bundle):
                return outcome
        elif await finish_job(work, boss, job_id):
            return _complete(work, job_id)
        await rounds.once_more(work.stop)


async def _upload_and_finish(
    work: Work, boss: BossClient, joined: Joined, rounds: Rounds, *, ca_bundle: Path | None
) -> Outcome | None:
    """None when another join must tell how to go on."""
    job_id = joined.job.id
    access = Access(ca_bundle, boss.allow_http)
    async with open_uploader(work, joined, _issuer(boss, joined), access) as uploader:
        while True:
            work.observe(events.Uploading(job_id, joined.job.tile_count))
            try:
                end = await uploader.run()
            except (QueueGoneError, JobGoneError) as error:
                return await _after_the_end(work, boss, job_id, error)
            if outcome := _not_to_be_completed(work, job_id, end):
                return outcome
            work.observe(events.Drained(job_id))
            if await finish_job(work, boss, job_id):
                return _complete(work, job_id)
            await rounds.once_more(work.stop)


async def finish_job(work: Work, boss: BossClient, job_id: int) -> bool:
    """Drive the job to COMPLETE; False when the Boss has work left to upload."""
    return await finish(
        boss,
        job_id,
        stop=work.stop,
        observe=work.observe,
        verify_timeout_s=work.options.verify_timeout_s,
    )


def _issuer(boss: BossClient, joined: Joined) -> Callable[[], Awaitable[Keys]]:
    """Gives the keys of the join we already have, and from then on those of new joins."""
    first: Joined | None = joined

    async def issue() -> Keys:
        nonlocal first
        given, first = first, None
        if given is None:
            given = await boss.join(joined.job.id)
        if given.credentials is None:
            what = f"the Boss gives no keys for job {joined.job.id}, which is {given.job.state.name}"
            live = given.job.state in {JobState.PREPARING, JobState.UPLOADING}
            raise TransientError(what) if live else JobGoneError(what)
        return keys_of(given)

    return issue


async def _after_the_end(work: Work, boss: BossClient, job_id: int, error: IngestError) -> Outcome | None:
    """Queue and keys go away when somebody else completes the job, or cancels it."""
    state = await _settled(work, boss, job_id)
    if state in _ENDS_WELL:
        return _complete(work, job_id) if await finish_job(work, boss, job_id) else None
    raise JobGoneError(
        f"job {job_id} has no queue any more and is {state.name}",
        hint="if nobody cancelled it, ask whoever runs the Boss; a new job is made by `boss-ingest run`",
    ) from error


async def _settled(work: Work, boss: BossClient, job_id: int) -> JobState:
    """The state of a job whose queue is gone: what ends a job deletes its queue first, and tells it last.

    Raises QueueLostError when nobody seems to end it, JobGoneError.
    """
    for wait_s in _SETTLING_S:
        try:
            return (await work.stop.unless(boss.status(job_id))).state
        except QueueLostError:
            await work.stop.sleep(wait_s)
    return (await work.stop.unless(boss.status(job_id))).state


def _not_to_be_completed(work: Work, job_id: int, end: End) -> Outcome | None:
    """How the run ends when the pipeline's end is not the way to completion."""
    left = len(work.tally.set_aside)
    if end is End.STOPPED:
        raise StopRequestedError("stopped while uploading")
    if end is End.HOPELESS:
        return Outcome(job_id, ExitCode.SET_ASIDE, f"stopped: all of the first {left} tasks failed")
    if left:
        return Outcome(job_id, ExitCode.SET_ASIDE, f"{_tasks(left)} set aside; the job is not completed")
    if end is End.SEARCHED:
        return Outcome(job_id, ExitCode.SET_ASIDE, _searched(work))
    _check_not_expired(work, job_id)
    if work.options.manual_complete:
        how = f"`boss-ingest complete --job-id {job_id}` does the rest"
        return Outcome(job_id, ExitCode.COMPLETE, f"everything is uploaded; {how}")
    return None


def _searched(work: Work) -> str:
    wanted, left = work.wanted, work.tally.left or 0
    lost = f"; set aside and not found among them: {len(wanted.left)}" if wanted.left else ""
    return f"tasks left in the queue for others: {left}{lost}; the job is not completed"


def _tasks(number: int) -> str:
    return "1 task was" if number == 1 else f"{number} tasks were"


def _check_not_expired(work: Work, job_id: int) -> None:
    """An empty queue means nothing once tasks have expired, unless all of them were stored here."""
    if work.expires is None or utc_now() < work.expires or work.tally.stored >= work.tally.total:
        return
    raise JobGoneError(
        f"the tasks of job {job_id} expired on {work.expires:%Y-%m-%d %H:%M} UTC: what was not uploaded "
        "by then is in the queue no more",
        hint=f"if you know that all was uploaded, `boss-ingest complete --job-id {job_id}` completes it; "
        "else cancel it and `boss-ingest run` the job file again",
    )


def _complete(work: Work, job_id: int) -> Outcome:
    work.observe(events.Completed(job_id))
    return Outcome(job_id, ExitCode.COMPLETE, "the job is complete")
