"""SQS as the SDK speaks it: batches, refusals, and what keys of a job may do."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from boss_ingest.local.faults import Cut, Delay, Garbage, Http, Reset
from tests.local_jobs import job_file

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from boss_ingest.local.boss import LocalBoss
    from tests.local_jobs import Client, Joined

TILES = job_file(tile=(512, 512), x=[0, 1024], y=[0, 1024], z=[0, 8])


@pytest.fixture
async def job(client: Client) -> Joined:
    return await client.start(TILES)


async def code_of(request: Awaitable[Any]) -> str:
    with pytest.raises(ClientError) as caught:
        await request
    return str(caught.value.response["Error"]["Code"])


async def test_messages_carry_their_md5_and_only_the_attributes_asked_for(job: Joined) -> None:
    async with job.clients() as (sqs, _):
        plain = await sqs.receive_message(QueueUrl=job.upload_queue, VisibilityTimeout=0)
        counted = await sqs.receive_message(
            QueueUrl=job.upload_queue, MessageSystemAttributeNames=["ApproximateReceiveCount"]
        )
    (first,), (again,) = plain["Messages"], counted["Messages"]
    assert first["MD5OfBody"] == hashlib.md5(first["Body"].encode()).hexdigest()
    assert "Attributes" not in first
    assert again["Attributes"] in ({"ApproximateReceiveCount": "1"}, {"ApproximateReceiveCount": "2"})
    assert job.upload_queue in first["Body"]


async def test_a_batch_fails_entry_by_entry(job: Joined) -> None:
    async with job.clients() as (sqs, _):
        (message,) = await job.receive(sqs, 1)
        answer = await sqs.delete_message_batch(
            QueueUrl=job.upload_queue,
            Entries=[
                {"Id": "good", "ReceiptHandle": message["ReceiptHandle"]},
                {"Id": "bad", "ReceiptHandle": "rubbish"},
            ],
        )
    assert answer["Successful"] == [{"Id": "good"}]
    assert [(one["Id"], one["Code"]) for one in answer["Failed"]] == [("bad", "ReceiptHandleIsInvalid")]


async def test_messages_of_a_batch_are_queued_one_by_one(job: Joined, boss: LocalBoss) -> None:
    async with job.clients() as (sqs, _):
        answer = await sqs.send_message_batch(
            QueueUrl=job.index_queue,
            Entries=[{"Id": "a", "MessageBody": "not json"}, {"Id": "b", "MessageBody": "x" * 10}],
        )
    assert [one["Id"] for one in answer["Successful"]] == ["a", "b"]
    assert answer["Successful"][0]["MD5OfMessageBody"] == hashlib.md5(b"not json").hexdigest()
    depth = boss.queue_depth(f"local-boss-{job.id}-index")
    assert depth.visible + depth.in_flight == 2  # such messages fail, and come back


@pytest.mark.parametrize(
    ("ids", "code"),
    [
        ([], "AWS.SimpleQueueService.EmptyBatchRequest"),
        ([str(n) for n in range(11)], "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
        (["same", "same"], "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
        (["not/allowed"], "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ],
)
async def test_a_batch_that_is_none_is_refused(job: Joined, ids: list[str], code: str) -> None:
    entries = [{"Id": id_, "ReceiptHandle": "x"} for id_ in ids]
    async with job.clients() as (sqs, _):
        assert await code_of(sqs.delete_message_batch(QueueUrl=job.upload_queue, Entries=entries)) == code


async def test_numbers_out_of_range_and_messages_too_long_are_refused(job: Joined) -> None:
    async with job.clients(parameter_validation=False) as (sqs, _):
        for wrong in ({"MaxNumberOfMessages": 11}, {"WaitTimeSeconds": 21}, {"VisibilityTimeout": 43201}):
            assert (
                await code_of(sqs.receive_message(QueueUrl=job.upload_queue, **wrong))
                == "InvalidParameterValue"
            )
        too_long = sqs.send_message(QueueUrl=job.index_queue, MessageBody="x" * 262_145)
        assert await code_of(too_long) == "InvalidParameterValue"
        unknown = sqs.get_queue_attributes(QueueUrl=job.upload_queue, AttributeNames=["Wrong"])
        assert await code_of(unknown) == "InvalidAttributeName"


async def test_the_depth_tells_visible_from_in_flight(job: Joined) -> None:
    async with job.clients() as (sqs, _):
        await job.receive(sqs, 3)
        answer = await sqs.get_queue_attributes(QueueUrl=job.upload_queue, AttributeNames=["All"])
    attributes = answer["Attributes"]
    assert attributes["ApproximateNumberOfMessages"] == "29"
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "3"
    assert attributes["VisibilityTimeout"] == "120"


async def test_the_keys_of_a_job_do_what_its_client_must_and_nothing_else(
    job: Joined, client: Client
) -> None:
    other = await client.start(TILES)
    async with job.clients() as (sqs, _):
        (message,) = await job.receive(sqs, 1)
        upload, handle = job.upload_queue, message["ReceiptHandle"]
        for refused in (
            sqs.change_message_visibility(QueueUrl=upload, ReceiptHandle=handle, VisibilityTimeout=1),
            sqs.send_message(QueueUrl=upload, MessageBody="back"),
            sqs.purge_queue(QueueUrl=upload),
            sqs.get_queue_url(QueueName=upload.rpartition("/")[2]),
            sqs.list_queues(),
            sqs.receive_message(QueueUrl=job.index_queue),
            sqs.receive_message(QueueUrl=other.upload_queue),
            sqs.receive_message(QueueUrl=job.answer["ingest_job"]["ingest_queue"]),
        ):
            assert await code_of(refused) == "AccessDenied"


async def test_the_queues_of_a_cancelled_job_do_not_exist(job: Joined, client: Client) -> None:
    assert (await client.ask("DELETE", f"/v1/ingest/{job.id}"))[0] == 204
    async with job.clients() as (sqs, _):
        with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
            await job.receive(sqs)
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


async def test_invented_keys_and_wrong_secrets_are_told_apart(job: Joined) -> None:
    keys = job.answer["credentials"]
    right = dict(keys)
    for change, code in (
        ({"access_key": "AKIA0000000000000000"}, "InvalidClientTokenId"),
        ({"secret_key": "wrong"}, "SignatureDoesNotMatch"),
    ):
        keys.update(right | change)
        async with job.clients() as (sqs, _):
            assert await code_of(job.receive(sqs)) == code


async def test_the_path_of_a_queue_is_an_endpoint_too(job: Joined, boss: LocalBoss) -> None:
    keys, path = job.answer["credentials"], job.upload_queue.removeprefix(boss.url)
    headers = {"X-Amz-Target": "AmazonSQS.ReceiveMessage", "Content-Type": "application/x-amz-json-1.0"}
    request = AWSRequest("POST", job.upload_queue, headers, b"{}")
    SigV4Auth(Credentials(keys["access_key"], keys["secret_key"]), "sqs", "us-east-1").add_auth(request)
    async with (
        aiohttp.ClientSession() as session,
        session.post(boss.url + path, data=b"{}", headers=dict(request.headers.items())) as response,
    ):
        answer = await response.json(content_type=None)
    assert [set(message) for message in answer["Messages"]] == [
        {"MessageId", "ReceiptHandle", "MD5OfBody", "Body"}
    ]


async def test_the_old_query_protocol_is_refused_in_words(job: Joined, client: Client) -> None:
    path = "/000000000000/" + job.upload_queue.rpartition("/")[2]
    status, answer = await client.ask("POST", path, {"Action": "ReceiveMessage"})
    assert (status, b"use a newer SDK" in answer) == (400, True)


async def test_faults_happen_as_often_as_told(job: Joined, boss: LocalBoss) -> None:
    boss.faults.add("sqs.ReceiveMessage", Http(503, "ServiceUnavailable"), times=2)
    boss.faults.add("sqs.ReceiveMessage", Http(400, "QueueDoesNotExist"))
    boss.faults.add("sqs.ReceiveMessage", Delay(0.01))
    async with job.clients() as (sqs, _):
        assert await code_of(job.receive(sqs)) == "ServiceUnavailable"
        assert await code_of(job.receive(sqs)) == "ServiceUnavailable"
        with pytest.raises(sqs.exceptions.QueueDoesNotExist):
            await job.receive(sqs)
        assert len(await job.receive(sqs, 1)) == 1
        assert len(await job.receive(sqs, 1)) == 1
    assert boss.faults.calls["sqs.ReceiveMessage"] == 5


@pytest.mark.parametrize(
    "fault", [Reset("before"), Reset("during"), Reset("after"), Garbage(status=502), Cut(5)]
)
async def test_the_connection_can_break_at_every_stage(job: Joined, boss: LocalBoss, fault: Any) -> None:
    async with job.clients() as (sqs, _):
        boss.faults.add("sqs.ReceiveMessage", fault)
        with pytest.raises(Exception, match=r"."):
            await job.receive(sqs, 1)
        took_effect = fault in (Reset("after"), Cut(5))
        assert boss.queue_depth(f"local-boss-upload-{job.id}").in_flight == (1 if took_effect else 0)
