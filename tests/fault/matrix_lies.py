"""Rows of the matrix: answers that look right and are not, and queues that deliver as SQS may."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from tests.fault.matrix_case import Case, by_settings, nothing, on, together
from tests.fault.matrix_rig import Rig
from tests.fault.proxy import Answer, Exchange, Latency, Rewrite, Tell

_JSON = "application/x-amz-json-1.0"
_BATCHES = ("sqs.DeleteMessageBatch", "sqs.SendMessageBatch")


def _etag(exchange: Exchange) -> None:
    """The ETag of other bytes, and no checksum beside it."""
    checksums = {name: None for name in exchange.answer.headers if name.lower().startswith("x-amz-checksum")}
    exchange.answer.replace(ETag=f'"{0:032}"', **checksums)


def _checksum(exchange: Exchange) -> None:
    """The checksum of other bytes, whichever was asked for."""
    for name, value in list(exchange.answer.headers.items()):
        if name.lower().startswith("x-amz-checksum"):
            wrong = base64.b64encode(bytes(len(base64.b64decode(value)))).decode()
            exchange.answer.replace(**{name: wrong})
            return
    _etag(exchange)


def _no_etag(exchange: Exchange) -> None:
    exchange.answer.replace(ETag=None)


def _json_of(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Rewrite:
    """Change the JSON of a good answer."""

    def rewrite(exchange: Exchange) -> None:
        if exchange.answer.status == 200:
            exchange.answer.replace_json(change(exchange.answer.json()))

    return Rewrite(rewrite)


def _failed(entry: dict[str, Any]) -> dict[str, Any]:
    return {"Id": entry["Id"], "Code": "InternalError", "SenderFault": False}


def _half_failed(answer: dict[str, Any]) -> dict[str, Any]:
    """Every second entry is said to have failed, though it took effect."""
    done = answer.get("Successful", [])
    return {"Successful": done[1::2], "Failed": [_failed(entry) for entry in done[::2]]}


def _half_told(answer: dict[str, Any]) -> dict[str, Any]:
    """Nothing is said of every second entry."""
    return {"Successful": answer.get("Successful", [])[1::2]}


def _twice(answer: dict[str, Any]) -> dict[str, Any]:
    messages = answer.get("Messages", [])
    return {"Messages": (messages + messages[::-1])[:10]} if messages else answer


def _hollow(answer: dict[str, Any]) -> dict[str, Any]:
    return {"Messages": [{"MessageId": "x"}, *answer.get("Messages", [])][:10]}


def _not_ours(answer: dict[str, Any]) -> dict[str, Any]:
    """Messages whose bodies make no sense come between the good ones."""
    strange = [
        {"MessageId": f"strange {n}", "ReceiptHandle": "r", "Body": body}
        for n, body in enumerate(["", "{}", "[]", '{"tile_key": 5, "chunk_key": "&"}'])
    ]
    return {"Messages": [*strange, *answer["Messages"]]} if answer.get("Messages") else answer


def _no_count(answer: dict[str, Any]) -> dict[str, Any]:
    return {"Attributes": dict.fromkeys(answer.get("Attributes", {}), "0")}


def _on_batches(fault: Any, **how: Any) -> Callable[[Rig], Any]:
    return together(*(on(batch, fault, **how) for batch in _BATCHES))


def _all_failed(entries: int) -> bytes:
    return json.dumps(
        {"Successful": [], "Failed": [_failed({"Id": str(n)}) for n in range(entries)]}
    ).encode()


def _leases_end(rig: Rig) -> None:
    """Again and again all leases end early, as if their time were up."""
    ended = Tell("before", lambda _: rig.ground.end_leases(rig.job_id))
    for after in (2, 5, 9):
        rig.proxy.add("s3.PutObject", ended, after=after)


CASES = [
    Case(name="S3: wrong ETag", arm=on("s3.", Rewrite(_etag), times=8)),
    Case(name="S3: wrong checksum", arm=on("s3.", Rewrite(_checksum), times=8)),
    Case(name="S3: no ETag", arm=on("s3.", Rewrite(_no_etag), times=8)),
    Case(name="SQS: half of a batch failed, it is said", arm=_on_batches(_json_of(_half_failed), times=4)),
    Case(name="SQS: nothing is said of half of a batch", arm=_on_batches(_json_of(_half_told), times=4)),
    Case(
        name="SQS: all of a batch failed",
        arm=_on_batches(Answer(200, body=_all_failed(10), content_type=_JSON), times=4),
    ),
    Case(
        name="SQS: nothing is said of a batch",
        arm=_on_batches(Answer(200, body=b"{}", content_type=_JSON), times=4),
    ),
    Case(
        name="SQS: the receipt is refused",
        arm=on(
            "sqs.DeleteMessageBatch",
            _json_of(
                lambda answer: {
                    "Failed": [
                        {**_failed(entry), "Code": "ReceiptHandleIsInvalid", "SenderFault": True}
                        for entry in answer.get("Successful", [])
                    ]
                }
            ),
            times=3,
        ),
    ),
    Case(
        name="SQS: messages twice in one answer", arm=on("sqs.ReceiveMessage", _json_of(_twice), times=None)
    ),
    Case(name="SQS: a message without a receipt", arm=on("sqs.ReceiveMessage", _json_of(_hollow), times=2)),
    Case(
        name="SQS: messages that make no sense",
        arm=on("sqs.ReceiveMessage", _json_of(_not_ours), times=1),
        ends=(3,),
    ),
    Case(
        name="SQS: empty though there are messages, and counts of 0",
        arm=together(
            on("sqs.ReceiveMessage", Answer(200, body=b"{}", content_type=_JSON), times=6),
            on("sqs.GetQueueAttributes", _json_of(_no_count), times=6),
        ),
    ),
    Case(
        name="SQS: duplicates out of order",
        arm=nothing,
        happened=by_settings,
        settings={"duplicate_rate": 1.0, "shuffled": True},
    ),
    Case(name="SQS: leases end while the work runs", arm=_leases_end),
    Case(
        name="SQS: the work takes longer than the lease",
        arm=on("s3.PutObject", Latency(1.5), times=6),
        options={"lease_s": 1.0},
    ),
]
