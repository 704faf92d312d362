"""From an empty queue to a complete job: the Boss's quiet period, its verification, and ways back.

Follows docs/protocol.md, "Completing": `wait_secs` is a hint, three kinds of 400 mean three things,
and verification may send the job back to uploading or to waiting.
"""

from __future__ import annotations

import asyncio

from boss_ingest.boss.client import BossClient
from boss_ingest.boss.completion import Completed, QueueNotEmpty, Verifying, Wait
from boss_ingest.boss.jobs import JobState
from boss_ingest.engine import events
from boss_ingest.engine.stop import Stop
from boss_ingest.errors import GaveUpError, JobGoneError

_SHORTEST_WAIT_S = 1.0
_FIRST_POLL_S, _LAST_POLL_S = 0.25, 5.0


async def finish(
    boss: BossClient, job_id: int, *, stop: Stop, observe: events.Observer, verify_timeout_s: float
) -> bool:
    """Drive the job to COMPLETE (True), or find that there is work left to upload (False).

    Raises JobGoneError when it was cancelled meanwhile, StopRequestedError, and GaveUpError when the Boss
    has not come to an end within `verify_timeout_s`: it never ends a verification that failed, nor a
    wait for queues that do not drain.
    """
    try:
        async with asyncio.timeout(verify_timeout_s):
            return await _until_it_ends(boss, job_id, stop=stop, observe=observe)
    except TimeoutError as error:
        raise GaveUpError(
            f"job {job_id}: the Boss has been completing it for {_long(verify_timeout_s)} without an end",
            hint="everything was uploaded; ask whoever runs the Boss to look at the job, and see it with "
            f"`boss-ingest status --job-id {job_id}`; `boss-ingest complete --job-id {job_id}` waits on, "
            "for as long as --verify-timeout says",
        ) from error


async def _until_it_ends(boss: BossClient, job_id: int, *, stop: Stop, observe: events.Observer) -> bool:
    while True:
        match await stop.unless(boss.complete(job_id)):
            case Completed():
                return True
            case QueueNotEmpty():
                observe(events.BackToUploading("the upload queue is not empty"))
                return False
            case Wait(wait_s=wait_s, why=why):
                observe(events.Waiting(why, wait_s))
                await stop.sleep(max(_SHORTEST_WAIT_S, wait_s))
            case Verifying():
                observe(events.Verifying(job_id))
                state = await stop.unless(_verified(boss, job_id))
                if state is JobState.COMPLETE:
                    return True
                if state is JobState.UPLOADING:
                    observe(events.BackToUploading("the Boss found tiles missing and asks for them again"))
                    return False
                await stop.sleep(_SHORTEST_WAIT_S)


def _long(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


async def _verified(boss: BossClient, job_id: int) -> JobState:
    """The state that verification ends in."""
    poll_s = _FIRST_POLL_S
    while True:
        state = (await boss.status(job_id)).state
        if state in {JobState.DELETED, JobState.FAILED}:
            raise JobGoneError(f"job {job_id} is {state.name}")
        if state is not JobState.COMPLETING:
            return state
        await asyncio.sleep(poll_s)
        poll_s = min(_LAST_POLL_S, poll_s * 1.5)
