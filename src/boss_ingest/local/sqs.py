"""The SQS side: the AWS JSON 1.0 protocol, on `/` or on the path of a queue."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any

from aiohttp import web

from boss_ingest.local.authorization import authenticate
from boss_ingest.local.aws_errors import AwsError, access_denied
from boss_ingest.local.faults import Call, Http
from boss_ingest.local.populate import ORIGIN
from boss_ingest.local.queue_store import Queue, QueueGone
from boss_ingest.local.queues import queue_name
from boss_ingest.local.settings import ACCOUNT, REGION
from boss_ingest.local.sqs_fields import (
    MOST_BODY_BYTES,
    batch_result,
    each,
    entries,
    integer,
    message_body,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from boss_ingest.local.queue_store import Delivery
    from boss_ingest.local.state import State

CONTENT_TYPE = "application/x-amz-json-1.0"
_PREFIX = "AmazonSQS."
_TYPES = {  # the shape names of the JSON protocol, where they differ from the codes of the old one
    "AWS.SimpleQueueService.NonExistentQueue": "com.amazonaws.sqs#QueueDoesNotExist",
    "InvalidClientTokenId": "com.amazon.coral.service#UnrecognizedClientException",
    "SignatureDoesNotMatch": "com.amazon.coral.service#InvalidSignatureException",
    "AccessDenied": "com.amazon.coral.service#AccessDeniedException",
}


class Sqs:
    """Answers SQS requests; no operation takes longer when a queue is long."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._actions: dict[str, Callable[[Queue, dict[str, Any]], Any]] = {
            "ReceiveMessage": self._receive,
            "SendMessage": self._send,
            "SendMessageBatch": self._send_batch,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._delete_batch,
            "GetQueueAttributes": self._attributes,
        }

    async def describe(self, request: web.BaseRequest) -> Call:
        """Name the operation; reads the body."""
        action = request.headers.get("X-Amz-Target", "").removeprefix(_PREFIX) or "Unknown"
        body = await request.read()
        try:
            params = json.loads(body) if body else {}
        except ValueError:
            params = {}
        if not isinstance(params, dict):
            params = {}
        url = params.get("QueueUrl")
        name = queue_name(url if isinstance(url, str) else request.path)
        return Call(
            f"sqs.{action}", request.method, request.raw_path, request.headers, queue=name, params=params
        )

    async def answer(self, call: Call, request: web.BaseRequest) -> web.Response:
        """Do what is asked."""
        try:
            result = await self._answer(call, request)
        except AwsError as error:
            return self.failure(call, Http(error.status, error.code, error.message))
        except QueueGone:
            return self.failure(
                call,
                Http(400, "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."),
            )
        return web.Response(text=json.dumps(result), content_type=CONTENT_TYPE, headers=_request_id())

    def failure(self, _call: Call, fault: Http) -> web.Response:
        """An error as SQS writes it: a shape for new SDKs, and the code of the old protocol in a header."""
        code = str(fault.code)
        code = "AWS.SimpleQueueService.NonExistentQueue" if code == "QueueDoesNotExist" else code
        body = {"__type": _TYPES.get(code, f"com.amazonaws.sqs#{code}"), "message": fault.message}
        blame = "Sender" if fault.status < 500 else "Receiver"
        headers = {"x-amzn-query-error": f"{code};{blame}", **_request_id(), **fault.headers}
        return web.Response(
            status=fault.status, text=json.dumps(body), content_type=CONTENT_TYPE, headers=headers
        )

    async def _answer(self, call: Call, request: web.BaseRequest) -> dict[str, Any]:
        action = call.operation.removeprefix("sqs.")
        if not request.headers.get("Content-Type", "").startswith(CONTENT_TYPE):
            raise AwsError(
                "UnsupportedOperation", f"This local Boss speaks {CONTENT_TYPE} only: use a newer SDK."
            )
        payload_hash = hashlib.sha256(await request.read()).hexdigest()
        credential, _ = authenticate(
            self._state.credentials, request, service="sqs", payload_hash=payload_hash
        )
        permission = f"sqs:{action.removesuffix('Batch')}"
        queue = self._state.queues.get(call.queue) if credential.allows(permission, call.queue) else None
        if queue is None:
            raise access_denied(credential.user, permission.lower(), _arn(call.queue))
        done = self._actions[action](queue, dict(call.params))
        result: dict[str, Any] = await done
        return result

    async def _receive(self, queue: Queue, params: dict[str, Any]) -> dict[str, Any]:
        most = integer(params, "MaxNumberOfMessages", 1, 1, 10)
        wait_s = integer(params, "WaitTimeSeconds", 0, 0, 20)
        hidden_s = integer(params, "VisibilityTimeout", None, 0, 43200)
        wanted = {*params.get("AttributeNames", ()), *params.get("MessageSystemAttributeNames", ())}
        found = await queue.receive(most or 1, wait_s=wait_s or 0, visibility_s=hidden_s)
        await queue.committed()
        return {"Messages": [self._message(delivery, wanted) for delivery in found]} if found else {}

    def _message(self, delivery: Delivery, wanted: set[str]) -> dict[str, Any]:
        body = delivery.body.replace(ORIGIN, self._state.queues.origin)
        message: dict[str, Any] = {
            "MessageId": delivery.message_id,
            "ReceiptHandle": delivery.receipt,
            "MD5OfBody": _md5(body),
            "Body": body,
        }
        attributes = {
            "ApproximateReceiveCount": str(delivery.deliveries),
            "SentTimestamp": str(int(delivery.sent_at * 1000)),
            "SenderId": ACCOUNT,
        }
        if shown := {name: value for name, value in attributes.items() if "All" in wanted or name in wanted}:
            message["Attributes"] = shown
        return message

    async def _send(self, queue: Queue, params: dict[str, Any]) -> dict[str, Any]:
        body = message_body(params)
        (message_id,) = queue.send([body], delay_s=integer(params, "DelaySeconds", 0, 0, 900) or 0)
        await queue.committed()
        return {"MessageId": message_id, "MD5OfMessageBody": _md5(body)}

    async def _send_batch(self, queue: Queue, params: dict[str, Any]) -> dict[str, Any]:
        batch = entries(params)
        if sum(len(text(entry, "MessageBody").encode()) for entry in batch) > MOST_BODY_BYTES:
            raise AwsError(
                "AWS.SimpleQueueService.BatchRequestTooLong",
                "Batch requests cannot be longer than 262144 bytes.",
            )
        good, failed = each(batch, message_body)
        sent = queue.send([body for _, body in good])
        await queue.committed()
        return batch_result(
            [
                {"Id": id_, "MessageId": message_id, "MD5OfMessageBody": _md5(body)}
                for (id_, body), message_id in zip(good, sent, strict=True)
            ],
            failed,
        )

    async def _delete(self, queue: Queue, params: dict[str, Any]) -> dict[str, Any]:
        _delete_from(queue)(params)
        await queue.committed()
        return {}

    async def _delete_batch(self, queue: Queue, params: dict[str, Any]) -> dict[str, Any]:
        good, failed = each(entries(params), _delete_from(queue))
        await queue.committed()
        return batch_result([{"Id": id_} for id_, _ in good], failed)

    async def _attributes(self, queue: Queue, params: dict[str, Any]) -> dict[str, Any]:
        depth = queue.depth()
        known = {
            "ApproximateNumberOfMessages": depth.visible,
            "ApproximateNumberOfMessagesNotVisible": depth.in_flight,
            "ApproximateNumberOfMessagesDelayed": depth.delayed,
            "VisibilityTimeout": int(queue.visibility_s),
            "QueueArn": _arn(queue.name),
            "DelaySeconds": 0,
            "MaximumMessageSize": MOST_BODY_BYTES,
            "MessageRetentionPeriod": int(self._state.settings.retention_s),
            "ReceiveMessageWaitTimeSeconds": 0,
            "CreatedTimestamp": int(queue.created_at),
            "LastModifiedTimestamp": int(queue.created_at),
        }
        wanted = params.get("AttributeNames", ())
        for name in wanted:
            if name != "All" and name not in known:
                raise AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")
        shown = {name: str(value) for name, value in known.items() if "All" in wanted or name in wanted}
        return {"Attributes": shown} if shown else {}


def _delete_from(queue: Queue) -> Callable[[dict[str, Any]], None]:
    def delete(entry: dict[str, Any]) -> None:
        receipt = text(entry, "ReceiptHandle")
        if not queue.delete(receipt):
            raise AwsError(
                "ReceiptHandleIsInvalid", f'The input receipt handle "{receipt[:40]}" is not valid.'
            )

    return delete


def _md5(body: str) -> str:
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def _arn(name: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def _request_id() -> dict[str, str]:
    return {"x-amzn-RequestId": secrets.token_hex(16)}
