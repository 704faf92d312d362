"""The upload queue and the tile index queue in SQS."""

from __future__ import annotations

import asyncio
import json
import math
from typing import TYPE_CHECKING, Any

from botocore.parsers import ResponseParserError

from boss_ingest.aws.batcher import LINGER_S, Batcher
from boss_ingest.aws.failures import entry_failure, told_as_ours
from boss_ingest.aws.queue import Depth, Lease, check_lease_request
from boss_ingest.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from boss_ingest.errors import ServiceError

_ANSWER_LIMIT_S = 30.0
"""The longest one request may take, beside the time of a long poll."""


class SqsUploadQueue:
    """An `UploadQueue` in SQS."""

    def __init__(self, client: Any, url: str, *, linger_s: float = LINGER_S) -> None:
        self._client = client
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
        async with told_as_ours(f"receiving from queue {self._name}", limit_s=wait_s + _ANSWER_LIMIT_S):
            deadline_s = asyncio.get_running_loop().time() + visibility_s
            answer = await self._client.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=most,
                WaitTimeSeconds=math.ceil(wait_s),
                VisibilityTimeout=visibility_s,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [_leased(message, deadline_s) for message in answer.get("Messages", [])]

    async def acknowledge(self, lease: Lease) -> None:
        """One entry of a DeleteMessageBatch."""
        await self._deletions.submit(lease.receipt)

    async def depth(self) -> Depth:
        """One GetQueueAttributes."""
        names = [f"ApproximateNumberOfMessages{part}" for part in ("", "NotVisible", "Delayed")]
        async with told_as_ours(f"counting queue {self._name}", limit_s=_ANSWER_LIMIT_S):
            answer = await self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)
        counts = answer.get("Attributes", {})
        try:
            return Depth(*(int(counts[name]) for name in names))
        except (KeyError, ValueError) as error:
            raise TransientError(f"counting queue {self._name}: the answer has no counts") from error

    async def _delete(self, receipts: Sequence[str]) -> list[ServiceError | None]:
        what = f"acknowledging to queue {self._name}"
        entries = [{"Id": str(at), "ReceiptHandle": receipt} for at, receipt in enumerate(receipts)]
        async with told_as_ours(what, limit_s=_ANSWER_LIMIT_S):
            answer = await self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return _outcomes(what, len(entries), answer)


class SqsIndexQueue:
    """An `IndexQueue` in SQS."""

    def __init__(self, client: Any, url: str, *, linger_s: float = LINGER_S) -> None:
        self._client = client
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
        async with told_as_ours(what, limit_s=_ANSWER_LIMIT_S):
            answer = await self._client.send_message_batch(QueueUrl=self._url, Entries=entries)
        return _outcomes(what, len(entries), answer)


def refuse_garbage(response_dict: Mapping[str, Any], **_: object) -> None:
    """Raise when an answer of 200 is not SQS's: botocore reads a stranger's page as "no messages".

    A hook for botocore's `before-parse.sqs`. An empty queue is known by its word, not by silence.
    """
    if response_dict["status_code"] >= 300:
        return
    try:
        document = json.loads(response_dict["body"] or "null")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ResponseParserError("the answer is not a JSON object")


def _leased(message: Mapping[str, Any], deadline_s: float) -> Lease:
    return Lease(
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        deadline_s=deadline_s,
        deliveries=int(message.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
    )


def _outcomes(what: str, entries: int, answer: Mapping[str, Any]) -> list[ServiceError | None]:
    done = {entry["Id"] for entry in answer.get("Successful", [])}
    failed = {entry["Id"]: entry for entry in answer.get("Failed", [])}
    unanswered = {"Code": "NoAnswer", "SenderFault": False}
    return [
        None if str(at) in done else entry_failure(what, failed.get(str(at), unanswered))
        for at in range(entries)
    ]


def _name(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]
