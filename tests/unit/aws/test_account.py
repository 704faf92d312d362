"""One account over a job: whose keys sign, how they are renewed, and how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from boss_ingest.aws.account import Account, Keys
from boss_ingest.aws.queue import Lease
from boss_ingest.errors import CredentialsError, JobGoneError, RefusedError, TransientError
from tests.unit.aws.scripted_server import Request, account, respond, scripted

if TYPE_CHECKING:
    from pathlib import Path

STORED = respond("200 OK", ETag='"opaque"')
LEASE = Lease("m", "receipt", "body", 0.0, 1)


async def test_only_the_jobs_keys_sign_and_only_the_jobs_endpoints_are_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[default]\nregion=af-south-1\nendpoint_url=http://127.0.0.1:9\ns3=\n  addressing_style=virtual\n"
        "[profile mine]\naws_access_key_id=AKIDPROFILE\naws_secret_access_key=x\n"
    )
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDAMBIENT",
        "AWS_SECRET_ACCESS_KEY": "ambient",
        "AWS_SESSION_TOKEN": "ambient",
        "AWS_PROFILE": "no-such-profile",
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(config),
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_DEFAULTS_MODE": "auto",
        "AWS_MAX_ATTEMPTS": "9",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_REQUEST_CHECKSUM_CALCULATION": "when_supported",
        "AWS_CA_BUNDLE": "/does/not/exist",
    }.items():
        monkeypatch.setenv(name, value)
    async with scripted(STORED) as server, account(server.url) as opened:
        await opened.bucket("tiles.boss").put("key", b"body", metadata={})
    (request,) = server.requests
    assert request.access_key == "AKIDONE"
    assert "/us-east-1/s3/" in request.headers["authorization"]
    assert request.headers["x-amz-security-token"] == "token-hush"
    assert request.start.startswith("PUT /tiles.boss/key ")


async def test_new_keys_reach_clients_that_are_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boss_ingest.aws.keys.PROPAGATION_S", 0.0)
    expired = respond("400 Bad Request", b"<Error><Code>ExpiredToken</Code></Error>")

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(STORED if request.access_key == "AKIDTWO" else expired)

    issued = iter(["AKIDONE", "AKIDTWO"])

    async def issue() -> Keys:
        return Keys(next(issued), SecretStr("secret"), None)

    async with scripted(answer) as server:
        opened = Account(issue, queue_url=f"{server.url}/1/q", concurrency=1, env={})
        async with opened:
            bucket = opened.bucket("tiles")
            with pytest.raises(CredentialsError) as expiry:
                await bucket.put("key", b"body", metadata={})
            await opened.renew(because=expiry.value)
            await bucket.put("key", b"body", metadata={})
        assert server.connections == 1


async def test_a_first_issue_that_fails_is_told() -> None:
    async def issue() -> Keys:
        raise JobGoneError("cancelled")

    with pytest.raises(JobGoneError):
        await Account(issue, queue_url="http://127.0.0.1:9/1/q", concurrency=1, env={}).__aenter__()


async def test_an_error_within_comes_out_as_itself() -> None:
    with pytest.raises(RefusedError):
        async with account("http://127.0.0.1:9"):
            raise RefusedError("no")


async def test_leaving_sends_the_acknowledgements_that_wait() -> None:
    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        deleted = [{"Id": entry["Id"]} for entry in json.loads(request.body)["Entries"]]
        writer.write(respond("200 OK", json.dumps({"Successful": deleted}).encode()))

    async with scripted(answer) as server, asyncio.TaskGroup() as group, account(server.url) as opened:
        queue = opened.upload_queue(f"{server.url}/1/q")
        for _ in range(3):
            group.create_task(queue.acknowledge(LEASE))
        await asyncio.sleep(0)
        assert not server.requests
    assert len(server.requests) == 1


async def test_of_a_batch_that_fails_in_part_each_caller_hears_its_own() -> None:
    document = {
        "Successful": [{"Id": "0"}],
        "Failed": [
            {"Id": "1", "SenderFault": True, "Code": "ReceiptHandleIsInvalid"},
            {"Id": "2", "SenderFault": False, "Code": "InternalError"},
            {"Id": "3", "SenderFault": True, "Code": "AccessDenied"},
        ],
    }
    answer = respond("200 OK", json.dumps(document).encode())
    async with scripted(answer) as server, account(server.url) as opened:
        queue = opened.upload_queue(f"{server.url}/1/q")
        outcomes = await asyncio.gather(*(queue.acknowledge(LEASE) for _ in range(5)), return_exceptions=True)
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [type(None), RefusedError, TransientError, CredentialsError, TransientError]
    assert str(outcomes[1]) == "acknowledging to queue q: ReceiptHandleIsInvalid"


async def test_no_secret_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with scripted(STORED) as server, account(server.url) as opened:
        await opened.bucket("tiles").put("key", b"body", metadata={"receipt_handle": "receipt-hush"})
    assert "hush" not in caplog.text


async def test_the_proxy_of_the_environment_is_used_but_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messages = respond("200 OK", b"{}")
    async with scripted(STORED) as proxy, scripted(messages) as sqs:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        env = {"AWS_ENDPOINT_URL_S3": "http://s3.site.example"}
        async with account(sqs.url, env=env, allow_http=True) as opened:
            await opened.bucket("tiles").put("a&b", b"body", metadata={})
            assert await opened.upload_queue(f"{sqs.url}/1/q").lease(1, wait_s=0, lease_s=60) == []
    (request,) = proxy.requests
    assert request.start == "PUT http://s3.site.example/tiles/a%26b HTTP/1.1"
    assert request.headers["host"] == "s3.site.example"
    assert len(sqs.requests) == 1


async def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(b"") as gone:
        pass
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, gone.url)
    env = {"AWS_ENDPOINT_URL_S3": "https://s3.site.example"}
    async with account("http://127.0.0.1:9", env=env) as opened:
        with pytest.raises(TransientError, match="ProxyConnectionError") as unreachable:
            await opened.bucket("tiles").put("key", b"body", metadata={})
    assert "HTTPS_PROXY" in unreachable.value.hint
