"""What aiobotocore makes of our calls, and that none of its own habits reach the wire."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from datetime import datetime
from email.utils import formatdate
from pathlib import Path

import pytest

from boss_ingest.aws.queue import Lease
from boss_ingest.errors import CredentialsError, ServiceError, TransientError
from tests.unit.aws.scripted_server import Request, account, respond, scripted

EMPTY = respond("200 OK", b"{}", Content_Type="application/x-amz-json-1.0")
DONE = respond("200 OK", b'{"Successful": [{"Id": "0"}]}')
LEASE = Lease("m", "receipt-hush", "body", 0.0, 1)

ONE_LEASE = """
import asyncio, sys
from tests.unit.aws.scripted_server import account

async def main(url):
    async with account(url) as opened:
        print(await opened.upload_queue(f"{url}/1/upload").lease(1, wait_s=0, lease_s=60))

asyncio.run(main(sys.argv[1]))
"""


async def test_a_receive_is_one_signed_post_of_plain_json() -> None:
    async with scripted(EMPTY) as server, account(server.url) as opened:
        await opened.upload_queue(f"{server.url}/1/upload").lease(7, wait_s=0.2, lease_s=60.9)
    (request,) = server.requests
    assert request.start == "POST / HTTP/1.1"
    assert request.headers["x-amz-target"] == "AmazonSQS.ReceiveMessage"
    assert request.headers["content-type"] == "application/x-amz-json-1.0"
    assert request.headers["user-agent"].startswith("boss-ingest/")
    assert request.headers["x-amz-security-token"] == "token-hush"
    assert request.access_key == "AKIDONE"
    assert "/us-east-1/sqs/aws4_request" in request.headers["authorization"]
    assert json.loads(request.body) == {
        "QueueUrl": f"{server.url}/1/upload",
        "MaxNumberOfMessages": 7,
        "WaitTimeSeconds": 1,
        "VisibilityTimeout": 60,
        "MessageSystemAttributeNames": ["ApproximateReceiveCount"],
    }


async def test_calls_share_a_connection_and_none_is_repeated_unasked_when_it_breaks() -> None:
    answers = 0

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        answers += 1
        if answers == 3:
            writer.transport.abort()
        else:
            writer.write(DONE)

    async with scripted(answer) as server, account(server.url) as opened:
        queue = opened.upload_queue(f"{server.url}/1/upload")
        for _ in range(2):
            await queue.acknowledge(LEASE)
        assert server.connections == 1
        with pytest.raises(TransientError, match="ConnectionBroke"):
            await queue.acknowledge(LEASE)
        assert len(server.requests) == 3
        await queue.acknowledge(LEASE)
    assert server.connections == 2


@pytest.mark.parametrize("status", ["429 Too Many", "500 Oh", "503 Busy"])
async def test_what_a_library_would_try_again_is_left_to_the_engine(status: str) -> None:
    async with scripted(respond(status)) as server, account(server.url) as opened:
        with pytest.raises(ServiceError):
            await opened.upload_queue(f"{server.url}/1/upload").depth()
    assert len(server.requests) == 1


async def test_after_a_wrong_clock_calls_are_signed_with_the_services_time() -> None:
    ahead_s = 3 * 86400.0

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        signed = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%S%z")
        date = formatdate(time.time() + ahead_s, usegmt=True)
        if abs(signed.timestamp() - time.time() - ahead_s) < 60:
            writer.write(EMPTY)
        else:
            body = b'{"__type": "com.amazonaws.sqs#SignatureDoesNotMatch"}'
            writer.write(respond("403 Forbidden", body, Date=date))

    async with scripted(answer) as server, account(server.url) as opened:
        queue = opened.upload_queue(f"{server.url}/1/upload")
        with pytest.raises(CredentialsError, match="4,320 minutes behind"):
            await queue.lease(1, wait_s=0, lease_s=60)
        assert await queue.lease(1, wait_s=0, lease_s=60) == []


async def test_calls_at_one_time_are_told_apart() -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        kind = json.loads(request.body)["QueueUrl"].rpartition("/")[2]
        writer.write(respond("500 Oh", b"{}") if kind == "bad" else EMPTY)

    async with scripted(answer) as server, account(server.url) as opened:
        names = ["good", "bad"] * 4
        told = await asyncio.gather(
            *(opened.upload_queue(f"{server.url}/1/{name}").lease(1, wait_s=0, lease_s=60) for name in names),
            return_exceptions=True,
        )
    assert [str(one) for one in told] == ["[]", "receiving from queue bad: HTTP 500"] * 4


async def test_a_call_that_is_cancelled_ends() -> None:
    asked = asyncio.Event()

    async def silent(_request: Request, _writer: asyncio.StreamWriter) -> None:
        asked.set()

    async with scripted(silent) as server, account(server.url) as opened:
        call = asyncio.create_task(opened.upload_queue(f"{server.url}/1/upload").depth())
        await asked.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_no_receipt_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with scripted(DONE) as server, account(server.url) as opened:
        await opened.upload_queue(f"{server.url}/1/upload").acknowledge(LEASE)
    assert "hush" not in caplog.text


async def test_the_machines_own_aws_set_up_is_not_heard(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nregion=af-south-1\nendpoint_url=http://127.0.0.1:9\nmax_attempts=9\n")
    ambient = {
        "AWS_PROFILE": "no-such-profile",
        "AWS_CONFIG_FILE": str(config),
        "AWS_ACCESS_KEY_ID": "AKIDAMBIENT",
        "AWS_SECRET_ACCESS_KEY": "ambient",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_DEFAULTS_MODE": "auto",
        "AWS_MAX_ATTEMPTS": "9",
        "AWS_RETRY_MODE": "adaptive",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_DATA_PATH": "/does/not/exist",
        "AWS_CA_BUNDLE": "/does/not/exist",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    async with scripted(EMPTY) as server:
        told = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", ONE_LEASE, server.url],
            env=os.environ | ambient,
            capture_output=True,
            text=True,
            check=False,
        )
    assert (told.returncode, told.stdout) == (0, "[]\n"), told.stderr
    assert [request.access_key for request in server.requests] == ["AKIDONE"]
