"""Rows of the matrix: the life of the job. Odd answers to join, status and complete, and other people."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from boss_ingest.boss.keys import TileKey
from boss_ingest.local.faults import Call, Lose
from tests.fault.matrix_case import Case, by_settings, nothing, on, together
from tests.fault.matrix_checks import recalled
from tests.fault.matrix_rig import Rig
from tests.fault.proxy import Answer, Exchange, Latency, Rewrite, Tell

_JSON = "application/json"


def _says(body: str, *, status: int = 400) -> Answer:
    return Answer(status, body=body.encode(), content_type=_JSON)


def _refusal(message: str, code: int = 1006) -> Answer:
    return _says(f'{{"status": 400, "code": {code}, "message": "{message}"}}')


_VERIFYING = _says('{"job_status": 5}', status=202)
_COMPLETE = {
    "upload queue not empty, though it is": _refusal("Upload queue is not empty"),
    "ingest queue not empty": _refusal("Ingest queue is not empty"),
    "tile ingest queue not empty": _refusal("Tile ingest queue is not empty"),
    "internal queues not empty yet": _says('{"wait_secs": 180, "info": "Internal queues not empty yet"}'),
    "still waiting, a float": _says('{"job_status": 6, "wait_secs": 123.4}'),
    "waiting, for 0 s": _says('{"job_status": 6, "wait_secs": 0}', status=202),
    "completing, without wait_secs": _VERIFYING,
    "9001": _refusal("An error", 9001),
    "still preparing, though it is not": _refusal(
        "You cannot complete a job that is still preparing. You must cancel instead."
    ),
    "cancelled, though it is not": _refusal("Ingest job has already been cancelled."),
    "JSON of another kind": _says("[1, 2]", status=202),
    "an unknown state": _says('{"job_status": 17, "wait_secs": 1}', status=202),
}


def _status(**changes: Any) -> Rewrite:
    """A status that says something else; 0 stands for PREPARING."""

    def change(exchange: Exchange) -> None:
        if exchange.answer.status == 200:
            exchange.answer.replace_json(exchange.answer.json() | changes)

    return Rewrite(change)


def _joined(**changes: Any) -> Rewrite:
    def change(exchange: Exchange) -> None:
        if exchange.answer.status == 200:
            answer = exchange.answer.json()
            answer["ingest_job"] |= changes
            exchange.answer.replace_json(answer)

    return Rewrite(change)


def _at_put(number: int, happens: Callable[[Rig], Any]) -> Callable[[Rig], None]:
    """While object `number` is on its way to S3."""

    def arm(rig: Rig) -> None:
        rig.proxy.add("s3.PutObject", Tell("before", lambda _: happens(rig)), after=number - 1)

    return arm


async def _cancelled(rig: Rig) -> None:
    await rig.cancel()


def _queues_deleted(rig: Rig) -> None:
    for name in rig.boss._state.jobs[rig.job_id].queue_names:
        rig.boss._state.queues.delete(name)


async def _uploaded_and_waiting(rig: Rig) -> None:
    """Another client has uploaded everything and asked once for completion."""
    run = await rig.ingest(manual_complete=True)
    assert run.exit_code == 0, run.error
    async with rig.other_client() as other:
        await other.complete(rig.job_id)
    rig.proxy.add("rest.join", Tell("before", lambda _: None), times=1)


async def _done_by_another(rig: Rig) -> None:
    """Another client has completed the job."""
    run = await rig.ingest()
    assert run.exit_code == 0, run.error
    rig.proxy.add("rest.join", Tell("before", lambda _: None), times=1)


async def _completed_at_last_delete(rig: Rig) -> None:
    """Another client completes the job while our last acknowledgement is on its way."""

    async def complete(_: object) -> None:
        if rig.left == 0:
            async with rig.other_client() as other:
                for _ in range(200):
                    if not hasattr(await other.complete(rig.job_id), "wait_s"):
                        return

    rig.proxy.add("sqs.DeleteMessageBatch", Tell("after", complete), times=None)


def _index_lost(times: int) -> Callable[[Rig], None]:
    """The Boss forgets tiles that it has accepted, but of no chunk all: those it could not ask for again."""

    def is_not_first(call: Call) -> bool:
        return TileKey.decode(call.key).z > 0

    return lambda rig: rig.faults.add("server.tile_uploaded", Lose(), match=is_not_first, times=times)


def _chunks_lost(rig: Rig) -> None:
    rig.faults.add("server.tile_ingest", Lose(), times=2)


CASES = [
    *(
        Case(name=f"complete: {name}", arm=on("rest.complete", answer, times=2))
        for name, answer in _COMPLETE.items()
    ),
    Case(
        name="complete: asks for more, for ever",
        arm=on("rest.complete", _COMPLETE["upload queue not empty, though it is"], times=None),
        ends=(7,),
    ),
    Case(name="join: preparing for a while", arm=nothing, happened=by_settings, settings={"populate_s": 0.3}),
    Case(name="join: 9001 once, to the loser of a race", arm=on("rest.join", Answer(400, 9001))),
    Case(name="join: JSON of another kind", arm=on("rest.join", _says('{"job": 1}', status=200), times=2)),
    Case(name="join: a negative count", arm=on("rest.join", _joined(tile_count=-1), times=2)),
    Case(name="join: an unknown state", arm=on("rest.join", _joined(status=17), times=2)),
    Case(
        name="join: another job's facts",
        arm=on("rest.join", _joined(tile_count=5), times=None),
        ends=(4,),
    ),
    Case(
        name="join: the queue could not be filled",
        arm=on(
            "rest.join", _refusal("Error generating ingest job messages Delete the job", 9001), times=None
        ),
        ends=(6,),
        then="new job",
    ),
    Case(
        name="join: deleted",
        arm=on(
            "rest.join", _says('{"status": 404, "code": 2004, "message": "deleted"}', status=404), times=None
        ),
        ends=(6,),
    ),
    Case(name="join: another client waits on the queues", arm=_uploaded_and_waiting),
    Case(name="join: another client has completed it", arm=_done_by_another),
    Case(
        name="status: 9001",
        arm=together(
            on("rest.complete", _VERIFYING),
            on("rest.status", Answer(400, 9001), times=3),
        ),
    ),
    Case(
        name="status: a count that is none",
        arm=together(
            on("rest.complete", _VERIFYING),
            on("rest.status", _status(current_message_count="many"), times=3),
        ),
    ),
    Case(
        name="status: an unknown state",
        arm=together(
            on("rest.complete", _VERIFYING),
            on("rest.status", _status(status=9), times=3),
        ),
    ),
    Case(
        name="completion is stuck in COMPLETING",
        arm=together(
            on("rest.complete", _VERIFYING, times=None),
            on("rest.status", _status(status=5), times=None),
        ),
        options={"verify_timeout_s": 0.6},
        ends=(7,),
    ),
    Case(
        name="completion waits on queues that never drain",
        arm=on("rest.complete", _COMPLETE["internal queues not empty yet"], times=None),
        options={"verify_timeout_s": 0.6},
        ends=(7,),
    ),
    Case(
        name="completion goes back to UPLOADING, tasks come again",
        arm=_index_lost(3),
        happened=by_settings,
        also=recalled,
        kinds=("tile",),
    ),
    Case(
        name="completion goes back to UPLOADING, again and again",
        arm=_index_lost(12),
        happened=by_settings,
        also=recalled,
        kinds=("tile",),
    ),
    Case(
        name="completion goes back to waiting, a chunk comes again",
        arm=_chunks_lost,
        happened=by_settings,
        kinds=("tile",),
    ),
    Case(name="a job completed by another client, while we look", arm=_completed_at_last_delete),
    Case(
        name="three clients at once", arm=on("s3.PutObject", Latency(0.0, jitter_s=0.1), times=None), runs=3
    ),
    Case(name="cancelled by someone else", arm=_at_put(4, _cancelled), ends=(6,), then="new job"),
    Case(name="queues deleted", arm=_at_put(4, _queues_deleted), ends=(6,), then="new job"),
    Case(
        name="cancelled by someone else, when all is uploaded",
        arm=lambda rig: rig.proxy.add("rest.complete", Tell("before", lambda _: rig.cancel())),
        ends=(6,),
        then="new job",
    ),
    Case(
        name="status: deleted, while the Boss verifies",
        arm=together(
            on("rest.complete", _VERIFYING),
            on("rest.status", _says('{"status": 404, "code": 2004, "message": "deleted"}', status=404)),
        ),
        ends=(6,),
    ),
    Case(name="join: the job has failed", arm=on("rest.join", _joined(status=4), times=None), ends=(6,)),
    Case(
        name="cancelled before the join",
        arm=_cancelled,
        happened=by_settings,
        ends=(6,),
        then="new job",
    ),
    Case(
        name="the queue cannot be found for a moment",
        arm=on(
            "sqs.ReceiveMessage", Answer(400, "AWS.SimpleQueueService.NonExistentQueue"), times=1, after=1
        ),
        ends=(0, 6),
    ),
]
