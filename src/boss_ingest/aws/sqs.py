"""The upload queue and the tile index queue in SQS."""

from __future__ import annotations

import asyncio
import json
import math
from contextvars import ContextVar
from importlib import import_module
from typing import TYPE_CHECKING, Any

from boss_ingest.aws.batcher import LINGER_S, Batcher
from boss_ingest.aws.checksums import sha256
from boss_ingest.aws.failures import code_in_json, entry_failure, refusal
from boss_ingest.aws.queue import Depth, Lease, check_lease_request
from boss_ingest.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from boss_ingest.aws.clock import Clock
    from boss_ingest.aws.sdk import Call
    from boss_ingest.aws.transport import Transport
    from boss_ingest.errors import ServiceError

_ANSWER_LIMIT_S = 30.0
"""The longest one request may take, beside the time of a long poll."""

_under_way: ContextVar[tuple[str, float]] = ContextVar("the call that is under way: what it does, its limit")


def import_sdk() -> Any:
    """Import what calls of SQS need: 0.15 s, best spent in a thread while there is something to wait for."""
    return import_module("boss_ingest.aws.sdk")


class Sqs:
    """Calls of SQS, each of them one request, written and read by aiobotocore and sent by `transport`."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._calls: Mapping[str, Call] = {}

    async def call(self, what: str, action: str, *, limit_s: float = _ANSWER_LIMIT_S, **asked: Any) -> Any:
        """What SQS answers, as a dict. Raises ServiceErrors on `what`."""
        if not self._calls:
            sdk = await asyncio.to_thread(import_sdk)
            self._calls = await sdk.calls(self._send)
        under_way = _under_way.set((what, limit_s))
        try:
            return await self._calls[action](**asked)
        except (AttributeError, KeyError, TypeError, ValueError):
            raise garbage(what) from None  # JSON, but not what aiobotocore can make an answer of
        finally:
            _under_way.reset(under_way)

    async def _send(self, headers: dict[str, str], body: bytes) -> bytes:
        """Send a request of the call that is under way; returns a JSON object.

        Whatever else comes with a 200 is a stranger's page, and must not pass for "no messages", as it does
        with aiobotocore: an empty queue is known by its word, not by silence.
        """
        what, limit_s = _under_way.get()
        answer = await self._transport.send(
            what, "POST", "/", headers, body, payload=sha256(body), limit_s=limit_s
        )
        if answer.status >= 300:
            raise refusal(what, answer, code_in_json(answer), self._clock)
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise garbage(what)
        return answer.body


class SqsUploadQueue:
    """An `UploadQueue` in SQS."""

    def __init__(self, sqs: Sqs, url: str, *, linger_s: float = LINGER_S) -> None:
        self._sqs = sqs
        self._url = url
        self._name = _name(url)
        self._deletions: Batcher[str] = Batcher(self._delete, linger_s=linger_s)

    async def close(self) -> None:
        """Delete what waits for that, and wait for the answers."""
        await self._deletions.close()

    async def lease(self, most: int, *, wait_s: float, lease_s: float) -> list[Lease]:
        """One ReceiveMessage."""
        check_lease_request(most, wait_s=wait_s, lease_s=lease_s)
        visibility_s = math.floor(lease_s)
        what = f"receiving from queue {self._name}"
        deadline_s = asyncio.get_running_loop().time() + visibility_s
        answer = await self._sqs.call(
            what,
            "ReceiveMessage",
            limit_s=wait_s + _ANSWER_LIMIT_S,
            QueueUrl=self._url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=math.ceil(wait_s),
            VisibilityTimeout=visibility_s,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
        )
        try:
            return [_leased(message, deadline_s) for message in answer.get("Messages") or []]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise garbage(what) from None

    async def acknowledge(self, lease: Lease) -> None:
        """One entry of a DeleteMessageBatch."""
        await self._deletions.submit(lease.receipt)

    async def depth(self) -> Depth:
        """One GetQueueAttributes."""
        names = [f"ApproximateNumberOfMessages{part}" for part in ("", "NotVisible", "Delayed")]
        what = f"counting queue {self._name}"
        answer = await self._sqs.call(what, "GetQueueAttributes", QueueUrl=self._url, AttributeNames=names)
        try:
            return Depth(*(int(answer["Attributes"][name]) for name in names))
        except (KeyError, TypeError, ValueError):
            raise garbage(what) from None

    async def _delete(self, receipts: Sequence[str]) -> list[ServiceError | None]:
        what = f"acknowledging to queue {self._name}"
        entries = [{"Id": str(at), "ReceiptHandle": receipt} for at, receipt in enumerate(receipts)]
        answer = await self._sqs.call(what, "DeleteMessageBatch", QueueUrl=self._url, Entries=entries)
        return _outcomes(what, len(entries), answer)


class SqsIndexQueue:
    """An `IndexQueue` in SQS."""

    def __init__(self, sqs: Sqs, url: str, *, linger_s: float = LINGER_S) -> None:
        self._sqs = sqs
        self._url = url
        self._name = _name(url)
        self._sendings: Batcher[str] = Batcher(self._send, linger_s=linger_s)

    async def close(self) -> None:
        """Send what waits for that, and wait for the answers."""
        await self._sendings.close()

    async def send(self, body: str) -> None:
        """One entry of a SendMessageBatch."""
        await self._sendings.submit(body, size_bytes=len(body.encode()))

    async def _send(self, bodies: Sequence[str]) -> list[ServiceError | None]:
        what = f"sending to queue {self._name}"
        entries = [{"Id": str(at), "MessageBody": body} for at, body in enumerate(bodies)]
        answer = await self._sqs.call(what, "SendMessageBatch", QueueUrl=self._url, Entries=entries)
        return _outcomes(what, len(entries), answer)


def garbage(what: str) -> TransientError:
    """The error of an answer of 200 that is not what SQS answers."""
    return TransientError(f"{what}: no usable answer, it is not SQS's", code="Garbage")


def _leased(message: Mapping[str, Any], deadline_s: float) -> Lease:
    message_id, receipt, body = (message[name] for name in ("MessageId", "ReceiptHandle", "Body"))
    if not all(isinstance(text, str) for text in (message_id, receipt, body)):
        raise TypeError("a message of SQS is made of texts")
    return Lease(
        message_id=message_id,
        receipt=receipt,
        body=body,
        deadline_s=deadline_s,
        deliveries=int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
    )


def _outcomes(what: str, entries: int, answer: Mapping[str, Any]) -> list[ServiceError | None]:
    try:
        done = {entry["Id"] for entry in answer.get("Successful") or []}
        failed = {entry["Id"]: entry for entry in answer.get("Failed") or []}
    except (KeyError, TypeError):
        raise garbage(what) from None
    unanswered = {"Code": "NoAnswer", "SenderFault": False}
    return [
        None if str(at) in done else entry_failure(what, failed.get(str(at), unanswered))
        for at in range(entries)
    ]


def _name(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]
