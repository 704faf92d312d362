"""What a PUT looks like to the server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING

import pytest

from boss_ingest.aws import s3, transport
from boss_ingest.aws.checksums import crc64nvme
from boss_ingest.errors import GaveUpError, RefusedError, ThrottledError, TransientError, UsageError
from tests.unit.aws.scripted_server import Request, account, respond, scripted

if TYPE_CHECKING:
    from pathlib import Path

KEY = "225414400ae108153ca3744836e7040d&4&9&27&0&0&0&0&0"
BODY = bytes(range(256)) * 10_000
SMALL = b"123456789"


def etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def crc64(body: bytes) -> str:
    """Bit by bit, as its definition has it."""
    crc = 0xFFFFFFFFFFFFFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x9A6C9329AC4BC9B5 if crc & 1 else 0)
    return base64.b64encode((crc ^ 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")).decode()


async def put(url: str, body: bytes = BODY) -> None:
    async with account(url) as opened:
        await opened.bucket("tiles.production.boss").put(KEY, body, metadata={"message_id": "m"})


@pytest.mark.parametrize("body", [b"", SMALL, BODY], ids=["empty", "small", "large"])
async def test_one_put_is_one_plain_request(body: bytes) -> None:
    async with scripted(respond("200 OK", ETag=etag(body))) as server:
        await put(server.url, body)
    (request,) = server.requests
    assert request.start == f"PUT /tiles.production.boss/{KEY.replace('&', '%26')} HTTP/1.1"
    assert request.body == body
    headers = request.headers
    assert headers["content-length"] == str(len(body))
    assert headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert headers["x-amz-meta-message_id"] == "m"
    assert headers["x-amz-security-token"] == "token-hush"
    unwanted = {"expect", "transfer-encoding", "content-encoding", "accept-encoding", "content-type"}
    unwanted |= {"x-amz-acl", "x-amz-tagging", "cookie"}
    assert not unwanted & set(headers)


async def test_the_checksum_is_the_one_that_s3_computes() -> None:
    async with scripted(respond("200 OK", ETag=etag(SMALL))) as server:
        await put(server.url, SMALL)
    (request,) = server.requests
    assert request.headers["x-amz-checksum-crc64nvme"] == crc64(SMALL)
    assert base64.b64decode(crc64(SMALL)).hex() == "ae8b14860a799888"  # the check value of the catalogues
    assert "x-amz-checksum-crc64nvme" in request.headers["authorization"]


@pytest.mark.parametrize("body", [SMALL, BODY], ids=["small", "large"])
async def test_on_an_open_network_without_tls_the_body_is_signed(
    monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    monkeypatch.setattr("boss_ingest.aws.transport.is_loopback", lambda _host: False)
    async with scripted(respond("200 OK", ETag=etag(body))) as server:
        await put(server.url, body)
    assert server.requests[0].headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a b+c%26&d", "a%20b%2Bc%2526%26d"),
        ("Zürich/脳", "Z%C3%BCrich/%E8%84%B3"),
        ("a/../b/./c//d/", "a/../b/./c//d/"),
        ("-_.~!*'();:@=$,?#[]", "-_.~%21%2A%27%28%29%3B%3A%40%3D%24%2C%3F%23%5B%5D"),
    ],
)
async def test_a_key_is_escaped_as_s3_does_it(key: str, path: str) -> None:
    async with scripted(respond("200 OK", ETag='"opaque"')) as server, account(server.url) as opened:
        await opened.bucket("tiles").put(key, SMALL, metadata={})
    assert server.requests[0].start == f"PUT /tiles/{path} HTTP/1.1"


@pytest.mark.parametrize("key", ["", "\ud800"])
async def test_a_key_that_no_path_can_carry_is_refused(key: str) -> None:
    async with account("http://127.0.0.1:9") as opened:
        with pytest.raises(RefusedError, match="key"):
            await opened.bucket("tiles").put(key, SMALL, metadata={})


async def test_a_large_body_lets_others_have_their_turn() -> None:
    arrived = asyncio.Event()

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(respond("200 OK", ETag='"opaque"'))
        arrived.set()

    async with scripted(answer) as server, account(server.url) as opened:
        large = asyncio.create_task(opened.bucket("tiles").put("large", bytes(64 << 20), metadata={}))
        await asyncio.sleep(0)
        await opened.bucket("tiles").put("small", SMALL, metadata={})
        assert not large.done()
        await large
    assert [len(request.body) for request in server.requests] == [len(SMALL), 64 << 20]


async def test_puts_share_connections() -> None:
    async with scripted(respond("200 OK", ETag=etag(BODY))) as server, account(server.url) as opened:
        for _ in range(5):
            await opened.bucket("tiles").put(KEY, BODY, metadata={})
        assert (len(server.requests), server.connections) == (5, 1)


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": etag(b"other")},
        {"ETag": etag(BODY), "x_amz_checksum_crc64nvme": crc64(SMALL)},
        {},
    ],
    ids=["another MD5", "another CRC64", "no ETag"],
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
        {"ETag": etag(b"other"), "x_amz_checksum_crc64nvme": crc64nvme(BODY)},
    ],
    ids=["opaque ETag", "encrypted by KMS", "right CRC64"],
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
            with pytest.raises(
                GaveUpError, match=r"no trusted connection to 127\.0\.0\.1:\d+: self"
            ) as untrusted:
                await opened.bucket("tiles").put(KEY, BODY, metadata={})
    (request,) = server.requests
    assert request.body == BODY
    assert request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert request.headers["x-amz-checksum-crc64nvme"] == crc64nvme(BODY)
    assert not {"expect", "transfer-encoding", "content-encoding", "x-amz-trailer"} & set(request.headers)
    assert "--ca-bundle" in untrusted.value.hint


async def test_a_server_that_speaks_no_tls_is_no_matter_of_certificates() -> None:
    async def speak_http(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(respond("400 Bad Request"))
        writer.close()

    server = await asyncio.start_server(speak_http, "127.0.0.1", 0)
    url = "https://{}:{}".format(*server.sockets[0].getsockname())
    async with server, account(url) as opened:
        with pytest.raises(TransientError, match="TlsFailed") as failed:
            await opened.bucket("tiles").put(KEY, BODY, metadata={})
    assert "URL" in failed.value.hint


async def test_a_kept_connection_that_has_gone_stale_is_told_and_no_put_is_repeated_unasked() -> None:
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
        with pytest.raises(TransientError, match="ConnectionBroke"):
            await bucket.put(KEY, BODY, metadata={})
        assert len(server.requests) == 2
        await bucket.put(KEY, BODY, metadata={})
    assert [request.body for request in server.requests] == [BODY] * 3


async def test_a_server_that_answers_before_it_has_read_the_body_is_heard() -> None:
    busy = respond("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>", Connection="close")
    async with scripted(busy, heads_only=True) as server:
        with pytest.raises(ThrottledError):
            await put(server.url, BODY * 4)
    assert len(server.requests) == 1


async def test_a_body_whose_rest_is_not_wanted_spoils_no_later_request() -> None:
    answers = iter([respond("503 Slow Down", b"<Error><Code>SlowDown</Code></Error>")])

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(next(answers, respond("200 OK", ETag='"opaque"')))

    async with scripted(answer, heads_only=True) as server, account(server.url) as opened:
        with pytest.raises(ThrottledError):
            await opened.bucket("tiles").put(KEY, bytes(32 << 20), metadata={})
        await opened.bucket("tiles").put(KEY, b"", metadata={})
        assert server.connections == 2


async def test_a_server_that_takes_a_connection_but_never_speaks_tls_is_given_up_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "_CONNECT_LIMIT_S", 0.2)

    async def deaf(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended.append(writer)

    ended: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with account(f"https://127.0.0.1:{port}") as opened:
        with pytest.raises(TransientError) as late:
            await opened.bucket("tiles").put(KEY, SMALL, metadata={})
    assert late.value.code == "ConnectTimeout"
    for writer in ended:
        writer.close()
    server.close()
    await server.wait_closed()


async def test_a_slow_line_may_take_longer_than_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit on silence counts from the end of the body; the line takes a byte at a time until then."""
    monkeypatch.setattr(transport, "_SILENCE_LIMIT_S", 1.0)
    body = bytes(16 << 20)

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(1.3)  # the silence of which nothing must come
        await reader.readexactly(len(body))
        writer.write(respond("200 OK", ETag='"opaque"'))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with account(f"http://127.0.0.1:{port}") as opened:
        await opened.bucket("tiles").put(KEY, body, metadata={})
    server.close()
    await server.wait_closed()


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
