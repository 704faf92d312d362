"""Answers of the Boss, SQS and S3 as whatever is in between may make them: read, or told as an error."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from boss_ingest.aws.clock import Clock
from boss_ingest.aws.s3 import S3Bucket
from boss_ingest.aws.sqs import Sqs, SqsIndexQueue, SqsUploadQueue
from boss_ingest.aws.transport import Answer as AwsAnswer
from boss_ingest.boss import job_answers
from boss_ingest.boss.answers import Answer, error_of
from boss_ingest.boss.completion import read_completion
from boss_ingest.boss.keys import LookupIds
from boss_ingest.errors import IngestError
from tests.fuzz.mutation import fuzz, odd_json, rewritten, spoilt

JOB = {
    "id": 7, "collection": "c", "experiment": "e", "channel": "ch", "status": 1, "ingest_type": 0,
    "upload_queue": "https://queue/u", "ingest_queue": None, "tile_index_queue": "https://queue/i",
    "tile_count": 4,
}  # fmt: skip
RESOURCE = {"lookup_key": "4&9&27", "channel": {"datatype": "uint8", "type": "image"}}
JOINED = {
    "ingest_job": JOB, "credentials": {"access_key": "AKIA", "secret_key": "s", "security_token": None},
    "tile_bucket_name": "tiles", "ingest_bucket_name": "ingest", "KVIO_SETTINGS": {}, "resource": RESOURCE,
}  # fmt: skip
BOSS = [
    JOINED, JOB, {"id": 7, "status": 1, "total_message_count": 4, "current_message_count": 2},
    {"ingest_jobs": [JOB | {"created_on": "2026-01-02T03:04:05Z", "completed_on": None}]},
    {"status": 400, "code": 1006, "message": "Upload queue is not empty"}, {"job_status": 6, "wait_secs": 3},
]  # fmt: skip
LEASED = {
    "MessageId": "m",
    "ReceiptHandle": "r",
    "Body": "{}",
    "Attributes": {"ApproximateReceiveCount": "1"},
}
SQS: list[Any] = [
    {"Messages": [LEASED, LEASED]}, {}, {"Attributes": dict.fromkeys(("ApproximateNumberOfMessages",), "3")},
    {"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": "InternalError", "SenderFault": False}]},
    {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "gone"},
]  # fmt: skip
XML = b'<?xml version="1.0"?>\n<Error><Code>SlowDown</Code><Message>m</Message></Error>'
statuses = st.sampled_from([200, 200, 200, 202, 204, 301, 307, 400, 403, 404, 429, 500, 503])
bodies = (rewritten([*BOSS, *SQS]) | odd_json).map(lambda value: json.dumps(value).encode()) | st.binary(
    max_size=99
)
bombs = [b"[" * 100_000, b'{"id": ' + b"9" * 5000 + b"}", b'{"a":' * 5000, b"\xff\xfe", b"NaN"]


def tellable(error: IngestError) -> None:
    assert len(str(error)) < 3000
    str(error).encode()


@fuzz
@given(bodies, statuses)
@example(bombs[0], 200)
@example(bombs[1], 200)
@example(bombs[2], 400)
@example(json.dumps({"code": True, "message": ["\ud800" * 1000]}).encode(), 400)
@example(json.dumps(JOINED | {"resource": {"lookup_key": "x"}}).encode(), 200)
@example(json.dumps(JOINED | {"resource": {"lookup_key": "4&9&" + "9" * 5000}}).encode(), 200)
def test_no_answer_of_the_boss_crashes_its_reader(body: bytes, status: int) -> None:
    answer = Answer(status, body)
    str(answer).encode()
    tellable(error_of(answer, "joining job 7"))
    read_completion(answer)
    for reader in (job_answers.job, job_answers.joined, job_answers.status, job_answers.summaries):
        try:
            found = job_answers.read(answer, reader, "joining job 7")
            if reader is job_answers.joined:
                joined: Any = found
                assert isinstance(joined.datatype + joined.channel_type, str)
                assert not joined.lookup_key or LookupIds.parse(joined.lookup_key)
        except IngestError as error:
            tellable(error)


def told(answer: AwsAnswer, call: Callable[[Any], Awaitable[object]]) -> None:
    """Make a call that is answered with this."""

    async def send(*_: object, **__: object) -> AwsAnswer:
        return answer

    async def once() -> None:
        try:
            await call(SimpleNamespace(send=send, is_private=True))
        except IngestError as error:
            tellable(error)

    began = time.process_time()
    asyncio.run(once())
    assert time.process_time() - began < 10


async def use_queues(transport: Any) -> None:
    sqs = Sqs(transport, Clock())
    upload, index = (
        SqsUploadQueue(sqs, "https://q/1/u", linger_s=0),
        SqsIndexQueue(sqs, "https://q/1/i", linger_s=0),
    )
    lease = None
    for lease in await upload.lease(10, wait_s=0, lease_s=60):
        assert all(isinstance(text, str) for text in (lease.message_id, lease.receipt, lease.body))
        assert isinstance(lease.deliveries, int)
    for call in (upload.depth, lambda: index.send("message")):
        try:
            await call()
        except IngestError as error:
            tellable(error)
    await index.close()
    if lease is not None:
        await upload.acknowledge(lease)


async def put(transport: Any) -> None:
    stored = await S3Bucket(transport, "tiles", Clock()).put("k", b"body", metadata={})
    assert stored.etag


headers = st.dictionaries(
    st.sampled_from(
        ["ETag", "Date", "Retry-After", "x-amzn-query-error", "x-amz-bucket-region",
         "x-amz-checksum-crc64nvme"]
    ),
    st.text(max_size=20)
    | st.sampled_from(["9" * 5000, "\x1b[2J" * 500, "Thu, 01 Jan 1970 00:00:00 GMT", "-1"]),
)  # fmt: skip


@fuzz
@given(bodies, statuses, headers)
@example(bombs[0], 200, {})
@example(bombs[0], 400, {})
@example(bombs[2], 400, {})
@example(json.dumps({"__type": "#" + "\ud800" * 5000}).encode(), 400, {})
@example(json.dumps({"Messages": [LEASED | {"Body": 7}]}).encode(), 200, {})
@example(json.dumps({"Failed": [{"Id": "0", "Code": {"a": "\ud800"}}]}).encode(), 200, {})
def test_no_answer_of_sqs_crashes_its_reader(body: bytes, status: int, found: dict[str, str]) -> None:
    told(AwsAnswer(status, found, body), use_queues)


@fuzz
@given(spoilt([XML]) | st.binary(max_size=99), statuses, headers)
@example(b"<Error>" * 100_000, 503, {})
@example(b"<Error><Code>" + b"A" * 60_000 + b"</Code></Error>", 503, {})
@example(b"", 301, {"x-amz-bucket-region": "\x1b[2J" * 500})
def test_no_answer_of_s3_crashes_its_reader(body: bytes, status: int, found: dict[str, str]) -> None:
    told(AwsAnswer(status, found, body), put)
