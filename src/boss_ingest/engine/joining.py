"""From a job id to keys and queues: waiting while the Boss prepares, and checking that it is our job."""

from __future__ import annotations

import time

from boss_ingest.aws.account import Keys
from boss_ingest.boss.client import BossClient
from boss_ingest.boss.jobs import JobState, Joined
from boss_ingest.config.datatypes import ITEMSIZE_BYTES
from boss_ingest.config.job_file import JobFile
from boss_ingest.engine import events
from boss_ingest.engine.stop import Stop
from boss_ingest.errors import ConfigError, GaveUpError, JobGoneError, Problem

_FIRST_POLL_S, _LAST_POLL_S = 0.25, 5.0
_KEYLESS_JOINS = 5
_LONGEST_PREPARING_S = 6 * 3600.0  # the Boss leaves a job PREPARING for good when filling its queue fails

_NO_KEYS_NEEDED = {JobState.COMPLETE, JobState.COMPLETING, JobState.WAIT_ON_QUEUES}


async def join_when_ready(
    boss: BossClient, job_id: int, *, then: BossClient, stop: Stop, observe: events.Observer
) -> Joined:
    """Join, and again (by `then`) while the Boss is filling the queue; afterwards never without need.

    Each join of a live job makes the Boss mint new keys, so one is done and its answer is shared
    (docs/protocol.md, "Joining"). Returns a job in UPLOADING with credentials, or one that needs none.
    Raises JobGoneError; GaveUpError when the Boss gives no keys, or has been preparing for hours.
    """
    poll_s, keyless = _FIRST_POLL_S, 0
    began_s = time.monotonic()
    while True:
        joined = await stop.unless(boss.join(job_id))
        boss = then
        state = joined.job.state
        if state in _NO_KEYS_NEEDED or (state is JobState.UPLOADING and joined.credentials is not None):
            return joined
        if state in {JobState.DELETED, JobState.FAILED}:
            raise JobGoneError(
                f"job {job_id} is {state.name} and takes no more data",
                hint="start a new one with `boss-ingest run`",
            )
        if state is JobState.PREPARING:
            if time.monotonic() - began_s > _LONGEST_PREPARING_S:
                raise GaveUpError(
                    f"the Boss has been filling the queue of job {job_id} for more than "
                    f"{_LONGEST_PREPARING_S / 3600:.0f} h",
                    hint=f"it has probably failed: cancel it with `boss-ingest cancel --job-id {job_id}` "
                    "and run the job file again",
                )
            observe(events.Preparing(job_id, poll_s))
        elif (keyless := keyless + 1) >= _KEYLESS_JOINS:
            raise GaveUpError(
                f"job {job_id} is {state.name} but the Boss gives no keys to upload with",
                hint=f"cancel it with `boss-ingest cancel --job-id {job_id}` and run the job file again",
            )
        await stop.sleep(poll_s)
        poll_s = min(_LAST_POLL_S, poll_s * 1.5)


def keys_of(joined: Joined) -> Keys:
    """The keys of a live job that was joined."""
    assert joined.credentials is not None
    given = joined.credentials
    return Keys(given.access_key, given.secret_key, given.session_token)


def check_same_job(joined: Joined, job: JobFile) -> None:
    """Refuse a job file that does not describe the job it is to continue. Raises ConfigError.

    The names of a job that has ended are not always told; then they are not compared.
    """
    theirs, ours = joined.job, job.database
    compared = [
        ("database.collection", ours.collection, theirs.collection),
        ("database.experiment", ours.experiment, theirs.experiment),
        ("database.channel", ours.channel, theirs.channel),
        ("ingest_job.ingest_type", job.ingest_job.ingest_type, theirs.ingest_type),
    ]
    problems = [
        Problem(path, repr(our), f"job {theirs.id} has {their!r}", "give the file the job was made from")
        for path, our, their in compared
        if their and our != their
    ]
    if not problems and job.ingest_job.task_count != theirs.tile_count:
        problems.append(
            Problem(
                "ingest_job",
                f"{job.ingest_job.task_count} tasks",
                f"job {theirs.id} has {theirs.tile_count}: other extents or sizes",
                "give the file the job was made from",
            )
        )
    if problems:
        raise ConfigError(f"{job.source} does not describe job {theirs.id}", problems=tuple(problems))


def check_storable(joined: Joined) -> None:
    """Refuse a live job, made by another program, whose channel cannot hold voxels. Raises ConfigError."""
    if joined.datatype not in ITEMSIZE_BYTES:
        raise ConfigError(
            f"job {joined.job.id} is for a channel of datatype {joined.datatype or 'unknown'}, "
            "which the Boss cannot store",
            hint=f"cancel it, and use a channel of {' or '.join(ITEMSIZE_BYTES)}",
        )
