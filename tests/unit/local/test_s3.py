"""S3 as the SDK and plain HTTP speak it: what is stored is what was sent, or nothing is."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from boss_ingest.local.faults import Http, Reset
from boss_ingest.local.settings import CUBOID_BUCKET, TILE_BUCKET
from boss_ingest.local.sigv4 import Signature, read_signature, sign
from tests.local_jobs import job_file

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from boss_ingest.local.boss import LocalBoss
    from tests.local_jobs import Client, Joined

KEY = "225414400ae108153ca3744836e7040d&4&9&27&0&0&0&0&0"
PATH = f"/{TILE_BUCKET}/{KEY.replace('&', '%26')}"
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture
async def job(client: Client) -> Joined:
    return await client.start(job_file(tile=(512, 512), x=[0, 512], y=[0, 512], z=[0, 1]))


async def code_of(request: Awaitable[Any]) -> str:
    with pytest.raises(ClientError) as caught:
        await request
    return str(caught.value.response["Error"]["Code"])


def signed(
    job: Joined,
    boss: LocalBoss,
    payload: str,
    method: str = "PUT",
    path: str = PATH,
    at: datetime | None = None,
    **headers: str,
) -> dict[str, str]:
    """Headers of a request, with the signature botocore would make."""
    keys = job.answer["credentials"]
    request = AWSRequest(
        method=method, url=boss.url + path, headers={"x-amz-content-sha256": payload, **headers}
    )

    class Signer(S3SigV4Auth):
        def payload(self, request: Any) -> str:
            return payload

    signer = Signer(Credentials(keys["access_key"], keys["secret_key"]), "s3", "us-east-1")
    if at is None:
        signer.add_auth(request)
    else:
        request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
        signer._modify_request_before_signing(request)
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        canonical = signer.canonical_request(request)
        signature = signer.signature(signer.string_to_sign(request, canonical), request)
        signer._inject_signature_to_request(request, signature)
    return dict(request.headers.items())


async def put(
    boss: LocalBoss, headers: dict[str, str], body: Any, path: str = PATH, method: str = "PUT"
) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.request(
            method,
            URL(boss.url + path, encoded=True),
            data=body,
            headers=headers,
            skip_auto_headers=["Content-Type"],
        ) as response,
    ):
        return response.status, await response.text()


async def test_an_object_is_stored_with_its_metadata_and_md5(job: Joined, boss: LocalBoss) -> None:
    body = bytes(range(256)) * 5000
    async with job.clients() as (_, s3):
        answer = await s3.put_object(
            Bucket=TILE_BUCKET, Key=KEY, Body=body, Metadata={"metadata": '{"x_size": 1}'}
        )
    (stored,) = boss.objects(TILE_BUCKET)
    assert (stored.key, stored.read(), stored.metadata) == (KEY, body, {"metadata": '{"x_size": 1}'})
    assert answer["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    assert answer["ChecksumCRC32"] == base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


async def test_a_second_put_replaces_the_object_and_its_file(job: Joined, boss: LocalBoss) -> None:
    async with job.clients() as (_, s3):
        await s3.put_object(Bucket=TILE_BUCKET, Key=KEY, Body=b"old")
        (old,) = boss.objects(TILE_BUCKET)
        await s3.put_object(Bucket=TILE_BUCKET, Key=KEY, Body=b"new")
    (new,) = boss.objects(TILE_BUCKET)
    assert new.read() == b"new"
    assert not old.path.exists()


async def test_metadata_beyond_two_kilobytes_is_refused(job: Joined, boss: LocalBoss) -> None:
    async with job.clients() as (_, s3):
        await s3.put_object(Bucket=TILE_BUCKET, Key="full", Body=b"", Metadata={"k": "v" * 2047})
        too_large = s3.put_object(Bucket=TILE_BUCKET, Key="over", Body=b"", Metadata={"k": "v" * 2048})
        assert await code_of(too_large) == "MetadataTooLarge"
    assert [one.key for one in boss.objects(TILE_BUCKET)] == ["full"]


async def test_the_keys_of_a_job_put_into_its_bucket_and_nothing_else(job: Joined) -> None:
    async with job.clients() as (_, s3):
        await s3.put_object(Bucket=TILE_BUCKET, Key=KEY, Body=b"x")
        for refused in (
            s3.get_object(Bucket=TILE_BUCKET, Key=KEY),
            s3.list_objects_v2(Bucket=TILE_BUCKET),
            s3.delete_object(Bucket=TILE_BUCKET, Key=KEY),
            s3.copy_object(Bucket=TILE_BUCKET, Key="copy", CopySource=f"{TILE_BUCKET}/{KEY}"),
            s3.put_object(Bucket=TILE_BUCKET, Key=KEY, Body=b"x", Tagging="a=b"),
            s3.put_object(Bucket=TILE_BUCKET, Key=KEY, Body=b"x", ACL="public-read"),
            s3.put_object(Bucket="ingest.local.boss", Key=KEY, Body=b"x"),
            s3.put_object(Bucket=CUBOID_BUCKET, Key=KEY, Body=b"x"),
        ):
            assert await code_of(refused) == "AccessDenied"
        assert await code_of(s3.head_object(Bucket=TILE_BUCKET, Key=KEY)) == "403"
        assert await code_of(s3.put_object(Bucket="nowhere", Key=KEY, Body=b"x")) == "NoSuchBucket"
        assert await code_of(s3.create_multipart_upload(Bucket=TILE_BUCKET, Key=KEY)) == "NotImplemented"


@pytest.mark.parametrize(
    ("header", "value", "code"),
    [
        ("Content-MD5", base64.b64encode(bytes(16)).decode(), "BadDigest"),
        ("Content-MD5", "not base64!", "InvalidDigest"),
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-sha1", base64.b64encode(bytes(20)).decode(), "BadDigest"),
        ("x-amz-checksum-sha256", base64.b64encode(bytes(32)).decode(), "BadDigest"),
        ("x-amz-checksum-crc32c", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", "BadDigest"),
        ("x-amz-checksum-xxhash64", "AAAAAAAAAAA=", "NotImplemented"),
    ],
)
async def test_a_checksum_is_verified_or_refused(
    job: Joined, boss: LocalBoss, header: str, value: str, code: str
) -> None:
    payload = hashlib.sha256(b"body").hexdigest()
    _, answer = await put(boss, signed(job, boss, payload, **{header: value}), b"body")
    assert f"<Code>{code}</Code>" in answer
    assert boss.objects(TILE_BUCKET) == []


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"])
async def test_the_checksums_of_the_sdk_are_verified_and_answered(job: Joined, algorithm: str) -> None:
    async with job.clients() as (_, s3):
        answer = await s3.put_object(
            Bucket=TILE_BUCKET, Key=KEY, Body=bytes(range(256)) * 5000, ChecksumAlgorithm=algorithm
        )
    assert answer[f"Checksum{algorithm}"]


async def test_a_body_that_is_not_the_signed_one_is_refused(job: Joined, boss: LocalBoss) -> None:
    _, answer = await put(boss, signed(job, boss, hashlib.sha256(b"signed").hexdigest()), b"sent")
    assert "XAmzContentSHA256Mismatch" in answer


async def test_an_unsigned_body_is_accepted(job: Joined, boss: LocalBoss) -> None:
    status, _ = await put(boss, signed(job, boss, "UNSIGNED-PAYLOAD"), b"body")
    assert status == 200


async def test_a_request_without_signature_or_long_ago_is_refused(job: Joined, boss: LocalBoss) -> None:
    assert "<Code>AccessDenied</Code>" in (await put(boss, {}, b"body"))[1]
    yesterday = datetime.now(UTC) - timedelta(days=1)
    headers = signed(job, boss, "UNSIGNED-PAYLOAD", at=yesterday)
    assert "<Code>RequestTimeTooSkewed</Code>" in (await put(boss, headers, b"body"))[1]


def wrapped(
    pieces: list[bytes], signature: Signature | None = None, secret: str = "", trailer: str = ""
) -> bytes:
    """An aws-chunked body, written down from the description of the format."""
    previous = signature.value if signature else ""
    out = b""
    for piece in [*pieces, b""]:
        head = f"{len(piece):x}"
        if signature:
            sha = hashlib.sha256(piece).hexdigest()
            previous = sign(signature, secret, "AWS4-HMAC-SHA256-PAYLOAD", previous, EMPTY, sha)
            head += f";chunk-signature={previous}"
        out += head.encode() + b"\r\n" + (piece + b"\r\n" if piece else b"")
    if trailer:
        out += trailer.encode() + b"\r\n"
        if signature:
            sha = hashlib.sha256(f"{trailer}\n".encode()).hexdigest()
            value = sign(signature, secret, "AWS4-HMAC-SHA256-TRAILER", previous, sha)
            out += f"x-amz-trailer-signature:{value}\r\n".encode()
    return out + b"\r\n"


PIECES = [b"first" * 20_000, b"second"]
CRC = "x-amz-checksum-crc32:" + base64.b64encode(zlib.crc32(b"".join(PIECES)).to_bytes(4, "big")).decode()
DECODED = {"Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": "100006"}


async def test_unsigned_chunks_with_a_checksum_behind_are_unwrapped(job: Joined, boss: LocalBoss) -> None:
    headers = signed(
        job,
        boss,
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        **DECODED,
        **{"x-amz-trailer": "x-amz-checksum-crc32"},
    )
    status, answer = await put(boss, headers, wrapped(PIECES, trailer=CRC))
    assert status == 200, answer
    assert boss.objects(TILE_BUCKET)[0].read() == b"".join(PIECES)
    for broken in (
        wrapped(PIECES, trailer="x-amz-checksum-crc32:AAAAAA=="),
        wrapped(PIECES),
        wrapped([PIECES[0]], trailer=CRC),
        b"zz\r\nrubbish\r\n",
        wrapped(PIECES, trailer="x-amz-checksum-sha256:AAAA"),
    ):
        status, _ = await put(boss, headers, broken)
        assert status == 400


@pytest.mark.parametrize("trailer", ["", CRC])
async def test_signed_chunks_are_unwrapped_and_verified(job: Joined, boss: LocalBoss, trailer: str) -> None:
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    extra = {"x-amz-trailer": "x-amz-checksum-crc32"} if trailer else {}
    headers = signed(job, boss, payload, **DECODED, **extra)
    signature = read_signature(CIMultiDictProxy(CIMultiDict(headers)), service="s3")
    body = wrapped(PIECES, signature, job.answer["credentials"]["secret_key"], trailer)
    status, answer = await put(boss, headers, body)
    assert status == 200, answer
    assert boss.objects(TILE_BUCKET)[0].read() == b"".join(PIECES)
    status, answer = await put(boss, headers, body.replace(b"first", b"fIrst", 1))
    assert (status, "SignatureDoesNotMatch" in answer) == (403, True)


@pytest.mark.parametrize(
    "key", ["../up", "a/../../up", "a/./b", "..%5Cup", "%00", "a%00b", "%ff", "k" * 1025]
)
async def test_a_key_that_climbs_or_is_no_text_is_refused(job: Joined, boss: LocalBoss, key: str) -> None:
    path = f"/{TILE_BUCKET}/{key}"
    status, answer = await put(boss, signed(job, boss, "UNSIGNED-PAYLOAD", path=path), b"body", path)
    assert status in (400, 403), answer
    assert boss.objects(TILE_BUCKET) == []


async def raw(boss: LocalBoss, text: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(boss.url.rpartition(":")[2]))
    writer.write(text.encode())
    await writer.drain()
    return reader, writer


async def test_a_body_is_asked_for_only_when_it_will_be_taken(job: Joined, boss: LocalBoss) -> None:
    headers = signed(job, boss, "UNSIGNED-PAYLOAD") | {"Content-Length": "4", "Expect": "100-continue"}
    host = boss.url.removeprefix("http://")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    reader, writer = await raw(boss, f"PUT {PATH} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"body")
    assert b" 200 OK" in await reader.readuntil(b"\r\n\r\n")
    writer.close()
    reader, writer = await raw(
        boss, f"PUT {PATH} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert b" 403 Forbidden" in answer
    assert b"Connection: close" in answer
    writer.close()


async def test_a_body_cut_short_leaves_nothing(job: Joined, boss: LocalBoss, tmp_path: Any) -> None:
    headers = signed(job, boss, "UNSIGNED-PAYLOAD") | {"Content-Length": "100000"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    _, writer = await raw(
        boss, f"PUT {PATH} HTTP/1.1\r\nHost: {boss.url.removeprefix('http://')}\r\n{lines}\r\nhalf"
    )
    writer.close()
    await writer.wait_closed()
    async with job.clients() as (_, s3):
        await s3.put_object(Bucket=TILE_BUCKET, Key="next", Body=b"")
    assert [one.key for one in boss.objects(TILE_BUCKET)] == ["next"]


async def test_scripted_faults_of_s3_look_like_s3(job: Joined, boss: LocalBoss) -> None:
    boss.faults.add(
        "s3.PutObject",
        Http(503, "SlowDown", "Please reduce your request rate."),
        match=lambda call: call.key == KEY,
    )
    boss.faults.add("s3.PutObject", Reset("after"), times=2)  # aiohttp itself repeats a PUT once
    async with job.clients() as (_, s3):
        assert await code_of(s3.put_object(Bucket=TILE_BUCKET, Key=KEY, Body=b"1")) == "SlowDown"
        assert boss.objects(TILE_BUCKET) == []
        with pytest.raises(Exception, match=r"."):
            await s3.put_object(Bucket=TILE_BUCKET, Key=KEY, Body=b"2")
    assert [one.read() for one in boss.objects(TILE_BUCKET)] == [b"2"]
