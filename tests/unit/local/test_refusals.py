"""What the local Boss does not take: wrong signatures, changed requests, paths that climb, odd JSON."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from yarl import URL

from boss_ingest.errors import UsageError
from boss_ingest.local.settings import TILE_BUCKET, Settings
from tests.local_jobs import job_file

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.local_jobs import Client, Joined

BODY = b"a tile"
PATH = f"/{TILE_BUCKET}/0123%264"
JOB = job_file(tile=(512, 512), x=[0, 512], y=[0, 512], z=[0, 4])


@pytest.fixture
async def job(client: Client) -> Joined:
    return await client.start(JOB)


def keys_of(job: Joined, **changed: str) -> Credentials:
    keys = job.answer["credentials"] | changed
    return Credentials(keys["access_key"], keys["secret_key"])


def put_request(boss: LocalBoss, job: Joined, *, path: str = PATH, **changed: str) -> AWSRequest:
    """A PUT that the local Boss takes, unless something of the keys is changed."""
    headers = {"x-amz-content-sha256": hashlib.sha256(BODY).hexdigest(), "x-amz-meta-message_id": "m"}
    request = AWSRequest("PUT", boss.url + path, headers, BODY)
    S3SigV4Auth(keys_of(job, **changed), "s3", "us-east-1").add_auth(request)
    return request


def receive_request(boss: LocalBoss, job: Joined, **changed: str) -> AWSRequest:
    """A ReceiveMessage that the local Boss takes, unless something of the keys is changed."""
    headers = {"X-Amz-Target": "AmazonSQS.ReceiveMessage", "Content-Type": "application/x-amz-json-1.0"}
    body = json.dumps({"QueueUrl": job.upload_queue}).encode()
    request = AWSRequest("POST", boss.url, headers, body)
    SigV4Auth(keys_of(job, **changed), "sqs", "us-east-1").add_auth(request)
    return request


async def send(request: AWSRequest, **changed: Any) -> tuple[int, str]:
    """Send it as it is signed, except for what is changed on the way."""
    async with aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as session:
        headers = dict(request.headers.items()) | changed.get("headers", {})
        url = URL(changed.get("url", request.url), encoded=True)
        body = changed.get("body", request.data)
        async with session.request(
            changed.get("method", request.method), url, data=body, headers=headers
        ) as answer:
            return answer.status, await answer.text()


MAKE = {"s3": put_request, "sqs": receive_request}


@pytest.mark.parametrize("service", MAKE)
async def test_what_is_signed_rightly_is_taken(service: str, job: Joined, boss: LocalBoss) -> None:
    assert (await send(MAKE[service](boss, job)))[0] == 200


@pytest.mark.parametrize("service", MAKE)
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"headers": {"X-Amz-Date": "20130524T000000Z"}}, "Skewed"),
        ({"headers": {"x-amz-meta-more": "added"}}, "AccessDenied"),
        ({"headers": {"Host": "127.0.0.1:1"}}, "Signature"),
        ({"headers": {"Authorization": "AWS4-HMAC-SHA256 nonsense"}}, "Authorization"),
        ({"method": "PATCH"}, ""),
    ],
    ids=["another date", "a header more", "another host", "no authorization", "another method"],
)
async def test_what_is_changed_on_its_way_is_refused(
    service: str, change: dict[str, Any], word: str, job: Joined, boss: LocalBoss
) -> None:
    request = MAKE[service](boss, job)
    status, answer = await send(request, **change)
    assert 400 <= status < 500, answer
    assert word in answer
    assert boss.objects(TILE_BUCKET) == []


@pytest.mark.parametrize("service", MAKE)
async def test_a_wrong_secret_is_refused(service: str, job: Joined, boss: LocalBoss) -> None:
    status, answer = await send(MAKE[service](boss, job, secret_key="wrong"))
    assert (status, "Signature" in answer) == (403, True)


async def test_another_body_key_or_metadata_than_was_signed_is_refused(job: Joined, boss: LocalBoss) -> None:
    for change in (
        {"body": b"another"},
        {"headers": {"x-amz-content-sha256": hashlib.sha256(b"another").hexdigest()}, "body": b"another"},
        {"url": f"{boss.url}/{TILE_BUCKET}/0123%265"},
        {"url": f"{boss.url}{PATH}?x-id=PutObject"},
        {"headers": {"x-amz-meta-message_id": "another"}},
    ):
        status, answer = await send(put_request(boss, job), **change)
        assert 400 <= status < 500, answer
    assert boss.objects(TILE_BUCKET) == []


async def test_another_message_than_was_signed_is_refused(job: Joined, boss: LocalBoss) -> None:
    changed = json.dumps({"QueueUrl": job.upload_queue, "MaxNumberOfMessages": 10}).encode()
    status, answer = await send(receive_request(boss, job), body=changed)
    assert (status, "Signature" in answer) == (403, True)


@pytest.mark.parametrize("minutes", [-16, 16])
async def test_a_signature_of_long_ago_or_ahead_is_refused(
    minutes: int, job: Joined, boss: LocalBoss, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda **_: moment.replace(tzinfo=None))
    for make in MAKE.values():
        status, answer = await send(make(boss, job))
        assert (status, "Skewed" in answer) == (403, True), answer


async def test_a_presigned_url_is_not_taken(job: Joined, boss: LocalBoss) -> None:
    request = AWSRequest("PUT", boss.url + PATH)
    S3SigV4QueryAuth(keys_of(job), "s3", "us-east-1", expires=60).add_auth(request)
    status, answer = await send(request, body=BODY)
    assert (status, "AccessDenied" in answer) == (403, True)
    assert boss.objects(TILE_BUCKET) == []


async def test_a_body_hash_that_is_none_is_refused(job: Joined, boss: LocalBoss) -> None:
    for word in ("", "0" * 63, "UNSIGNED", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"):
        request = AWSRequest("PUT", boss.url + PATH, {"x-amz-content-sha256": word}, BODY)

        class Signer(S3SigV4Auth):
            def payload(self, request: Any, word: str = word) -> str:
                return word

        Signer(keys_of(job), "s3", "us-east-1").add_auth(request)
        status, answer = await send(request, headers={"x-amz-content-sha256": word})
        assert 400 <= status < 500, (word, answer)
    assert boss.objects(TILE_BUCKET) == []


@pytest.mark.parametrize(
    "key",
    ["../up", "..%2f..%2fup", "%2e%2e/up", "a/%2e%2e/%2e%2e/up", "a\\..\\..\\up", "/etc/passwd",
     "%2fetc%2fpasswd", "%00", "a%00.png", "%ed%a0%80", "%ff", "k" * 1025, "k" * 20_000, "a/" * 600, ".",
     "..", "CON", "a:b", "~/.ssh"],
)  # fmt: skip
async def test_no_key_leaves_the_bucket_or_crashes(
    key: str, job: Joined, boss: LocalBoss, tmp_path: Path
) -> None:
    before = set(_outside(tmp_path))
    status, answer = await send(put_request(boss, job, path=f"/{TILE_BUCKET}/{quote(key, safe='/%.~')}"))
    assert status in {200, 400, 403, 414}, answer
    for stored in boss.objects(TILE_BUCKET):
        assert stored.path.resolve().is_relative_to((tmp_path / "boss").resolve())
        assert ".." not in stored.key
        assert "\0" not in stored.key
    assert set(_outside(tmp_path)) == before


def _outside(tmp_path: Path) -> list[Path]:
    return [path for path in tmp_path.rglob("*") if not path.is_relative_to(tmp_path / "boss")]


@pytest.mark.parametrize(
    "header", ["", "Token", "Token ", "Bearer x", "Token \xff", "Basic eDp5", "Token " + "a" * 9000]
)
async def test_no_token_but_a_right_one_opens_the_boss(header: str, job: Joined, boss: LocalBoss) -> None:
    one = f"/v1/ingest/{job.answer['ingest_job']['id']}"
    async with aiohttp.ClientSession() as session:
        for method, path in (
            ("POST", "/v1/ingest/"),
            ("GET", one),
            ("DELETE", one),
            ("GET", f"{one}/status"),
        ):
            headers = {"Authorization": header} if header else {}
            async with session.request(method, boss.url + path, headers=headers) as answer:
                assert answer.status in {401, 403}, await answer.text()


@pytest.mark.parametrize(
    "path",
    ["/v1/ingest/" + "9" * 5000, "/v1/ingest/9223372036854775808", "/v1/ingest/-1", "/v1/ingest/1/../2",
     "/v1/ingest/%d9%a1", "/v1/collection/..%2f..%2fetc", "/v1/collection/%00", "/v1/collection/%ff%fe",
     "/v1/collection/" + "c" * 5000, "/v1/cutout/col/exp/ch/0/0:" + "9" * 5000 + "/0:1/0:1",
     "/v1/%2e%2e/ping",
     "/v1/cutout/col/exp/ch/" + "9" * 400 + "/0:512/0:512/0:16", "/v1//ingest//"],
)  # fmt: skip
async def test_no_path_crashes_the_rest_side(path: str, boss: LocalBoss, client: Client) -> None:
    headers = {"Authorization": f"Token {boss.token}", "Accept": "application/blosc"}
    async with aiohttp.ClientSession() as session:
        for method in ("GET", "POST", "DELETE", "PUT"):
            async with session.request(method, URL(boss.url + path, encoded=True), headers=headers) as answer:
                assert 400 <= answer.status < 500, (method, path[:60], await answer.text())


def changed(old: str, new: str) -> bytes:
    """The job file with a part of its text replaced."""
    return json.dumps(JOB).replace(old, new).encode()


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b"NaN", b"7", b"null", b'"text"', b"[]", b"\xff", b'{"schema": ' + b"9" * 5000 + b"}",
     changed("512", "1" + "0" * 300), changed('"col"', '"\\ud800"'), changed("[0, 512]", "[0, -512]"),
     changed("[0, 4]", "[0, 1e9]"), changed('"database"', '"databas"')],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/ingest/", "/v1/collection/new", "/v1/coord/new"])
async def test_no_body_crashes_the_rest_side(path: str, body: bytes, boss: LocalBoss, client: Client) -> None:
    headers = {"Authorization": f"Token {boss.token}", "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(boss.url + path, data=body, headers=headers) as answer,
    ):
        assert answer.status < 500, await answer.text()


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.1", "example.org", "", "127.0.0.1.nip.io", "::ffff:8.8.8.8"]
)
def test_it_is_reachable_from_this_machine_only(host: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a loopback address"):
        Settings(dir=tmp_path, host=host)
