"""What a PUT looks like to the server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
import ssl
import subprocess
import zlib
from typing import TYPE_CHECKING

import pytest

from boss_ingest.aws import s3
from boss_ingest.aws.body import MemoryBody
from boss_ingest.errors import ThrottledError, TransientError, UsageError
from tests.unit.aws.scripted_server import Request, account, respond, scripted

if TYPE_CHECKING:
    from pathlib import Path

KEY = "225414400ae108153ca3744836e7040d&4&9&27&0&0&0&0&0"
BODY = bytes(range(256)) * 10_000


def etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


async def put(url: str, body: bytes = BODY) -> None:
    async with account(url) as opened:
        await opened.bucket("tiles.production.boss").put(KEY, body, metadata={"message_id": "m"})


@pytest.mark.parametrize("body", [b"", b"small", BODY], ids=["empty", "small", "large"])
async def test_one_put_is_one_plain_request(body: bytes) -> None:
    async with scripted(respond("200 OK", ETag=etag(body))) as server:
        await put(server.url, body)
    (request,) = server.requests
    assert request.start == f"PUT /tiles.production.boss/{KEY.replace('&', '%26')} HTTP/1.1"
    assert request.body == body
    headers = request.headers
    assert headers["content-length"] == str(len(body))
    assert headers["x-amz-checksum-crc32"] == crc32(body)
    assert headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
    assert headers["x-amz-meta-message_id"] == "m"
    assert headers["x-amz-security-token"] == "token-hush"
    unwanted = {"expect", "transfer-encoding", "content-encoding", "x-amz-acl", "x-amz-tagging"}
    assert not unwanted & set(headers)


async def test_puts_share_connections() -> None:
    async with scripted(respond("200 OK", ETag=etag(BODY))) as server, account(server.url) as opened:
        for _ in range(5):
            await opened.bucket("tiles").put(KEY, BODY, metadata={})
        assert (len(server.requests), server.connections) == (5, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": etag(b"other")},
        {"ETag": etag(BODY), "x_amz_checksum_crc32": crc32(b"other")},
        {},
    ],
    ids=["another MD5", "another CRC32", "no ETag"],
)
async def test_an_answer_that_does_not_prove_the_body_stored_is_no_success(headers: dict[str, str]) -> None:
    async with scripted(respond("200 OK", **headers)) as server:
        with pytest.raises(TransientError, match=f"storing {KEY} in bucket tiles.production.boss"):
            await put(server.url)


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": '"not-an-md5"'},
        {"ETag": etag(b"other"), "x_amz_server_side_encryption": "aws:kms"},
        {"ETag": etag(b"other"), "x_amz_checksum_crc32": crc32(BODY)},
    ],
    ids=["opaque ETag", "encrypted by KMS", "right CRC32"],
)
async def test_an_etag_is_taken_for_an_md5_only_where_it_is_one(headers: dict[str, str]) -> None:
    async with scripted(respond("200 OK", **headers)) as server:
        await put(server.url)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of 127.0.0.1, signed by itself; its key lies beside it in key.pem."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program to make a certificate")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return tmp_path / "cert.pem"


async def test_over_tls_the_body_is_not_signed_and_the_bundle_is_trusted(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    async with scripted(respond("200 OK", ETag=etag(BODY)), tls=context) as server:
        async with account(server.url, ca_bundle=certificate) as opened:
            await opened.bucket("tiles").put(KEY, BODY, metadata={})
        async with account(server.url) as opened:
            with pytest.raises(TransientError, match="SSLError") as untrusted:
                await opened.bucket("tiles").put(KEY, BODY, metadata={})
    (request,) = server.requests
    assert request.body == BODY
    assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert request.headers["x-amz-checksum-crc32"] == crc32(BODY)
    assert not {"expect", "transfer-encoding", "content-encoding", "x-amz-trailer"} & set(request.headers)
    assert "CA bundle" in untrusted.value.hint


async def test_a_body_sent_again_is_sent_whole() -> None:
    """A kept connection may turn out closed only when the next request is written to it."""
    answers = 0

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        answers += 1
        if answers == 2:
            writer.transport.abort()
        else:
            writer.write(respond("200 OK", ETag=etag(BODY)))

    async with scripted(answer) as server, account(server.url) as opened:
        bucket = opened.bucket("tiles")
        await bucket.put(KEY, BODY, metadata={})
        await bucket.put(KEY, BODY, metadata={})
    assert [request.body for request in server.requests] == [BODY] * 3


async def test_a_connection_that_breaks_twice_is_transient() -> None:
    async def reset(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with scripted(reset) as server:
        with pytest.raises(TransientError, match="storing"):
            await put(server.url)
        assert len(server.requests) == 2


async def test_a_server_that_answers_before_it_has_read_the_body_is_heard() -> None:
    busy = respond("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>", Connection="close")
    async with scripted(busy, heads_only=True) as server:
        with pytest.raises(ThrottledError):
            await put(server.url, BODY * 4)
    assert len(server.requests) == 1


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_bundle_without_certificates_is_named(tmp_path: Path, content: str | None) -> None:
    bundle = tmp_path / "bundle.pem"
    if content:
        bundle.write_text(content)
    with pytest.raises(UsageError, match=r"bundle\.pem"):
        account("http://127.0.0.1:9", ca_bundle=bundle)


async def test_a_put_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_ANSWER_LIMIT_S", 0.2)

    async def silent(_request: Request, _writer: asyncio.StreamWriter) -> None:
        pass

    async with scripted(silent) as server:
        with pytest.raises(TransientError, match=r"no answer within 0\.2 s") as late:
            await put(server.url, b"")
    assert late.value.code == "Timeout"


def test_a_body_reads_like_a_file() -> None:
    body = MemoryBody(memoryview(b"0123456789")[2:8])
    assert (len(body), body.read(2), body.tell(), body.read(), body.read()) == (6, b"23", 2, b"4567", b"")
    assert (body.seek(-1, 2), body.read()) == (5, b"7")
    assert (body.seek(1), body.seek(1, 1), body.read(-1)) == (1, 2, b"4567")
    assert (body.seek(99), body.read(5)) == (6, b"")
