"""What goes wrong on the wire, and what it is called."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from boss_ingest.aws import sqs, transport
from boss_ingest.aws.failures import kind_of
from boss_ingest.errors import (
    CredentialsError,
    QueueGoneError,
    RefusedError,
    ServiceError,
    ThrottledError,
    TransientError,
)
from tests.unit.aws.scripted_server import Answer, Request, account, respond, scripted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from boss_ingest.aws.account import Account


async def put(opened: Account) -> None:
    await opened.bucket("tiles").put("key&1", b"body", metadata={})


async def lease(opened: Account) -> None:
    await opened.upload_queue("http://queues/1/upload-7").lease(10, wait_s=0, lease_s=60)


async def failure(answer: bytes | Answer, call: Callable[[Account], Awaitable[None]]) -> ServiceError:
    async with scripted(answer) as server, account(server.url) as opened:
        with pytest.raises(ServiceError) as caught:
            await call(opened)
        assert len(server.requests) == 1, "one call is one request"
    error = caught.value
    for secret in ("hush", "AKIDONE"):
        assert secret not in str(error)
        assert secret not in str(error.__cause__)
    return error


def s3_error(status: str, code: str, **headers: str) -> bytes:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>why</Message></Error>"
    return respond(status, body.encode(), **headers)


def sqs_error(status: str, code: str, **headers: str) -> bytes:
    body = f'{{"__type":"com.amazonaws.sqs#{code}","message":"why"}}'
    return respond(status, body.encode(), Content_Type="application/x-amz-json-1.0", **headers)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("503 Slow Down", "SlowDown", ThrottledError),
        ("400 Bad Request", "RequestTimeout", TransientError),
        ("400 Bad Request", "BadDigest", TransientError),
        ("500 Oh", "InternalError", TransientError),
        ("403 Forbidden", "InvalidAccessKeyId", CredentialsError),
        ("403 Forbidden", "SignatureDoesNotMatch", CredentialsError),
        ("403 Forbidden", "AccessDenied", CredentialsError),
        ("400 Bad Request", "ExpiredToken", CredentialsError),
        ("403 Forbidden", "RequestTimeTooSkewed", CredentialsError),
        ("404 Not Found", "NoSuchBucket", RefusedError),
        ("400 Bad Request", "EntityTooLarge", RefusedError),
        ("400 Bad Request", "MetadataTooLarge", RefusedError),
        ("400 Bad Request", "SomethingNew", RefusedError),
        ("200 OK", "InternalError", TransientError),
        ("200 OK", "SlowDown", ThrottledError),
    ],
)
async def test_a_refused_put_is_told_by_its_code(status: str, code: str, kind: type[ServiceError]) -> None:
    error = await failure(s3_error(status, code), put)
    assert type(error) is kind
    assert error.what == f"storing key&1 in bucket tiles: {code} ({status[:3]})"
    assert (error.code, error.http_status) == (code, int(status[:3]))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("400 Bad Request", "QueueDoesNotExist", QueueGoneError),
        ("400 Bad Request", "ThrottlingException", ThrottledError),
        ("400 Bad Request", "RequestThrottled", ThrottledError),
        ("403 Forbidden", "OverLimit", ThrottledError),
        ("403 Forbidden", "InvalidClientTokenId", CredentialsError),
        ("403 Forbidden", "AccessDeniedException", CredentialsError),
        ("403 Forbidden", "ExpiredToken", CredentialsError),
        ("500 Oh", "InternalFailure", TransientError),
    ],
)
async def test_a_refused_call_on_a_queue_is_told_by_its_code(
    status: str, code: str, kind: type[ServiceError]
) -> None:
    error = await failure(sqs_error(status, code), lease)
    assert type(error) is kind
    assert error.what.startswith(f"receiving from queue upload-7: {code}")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, CredentialsError), (403, CredentialsError), (404, RefusedError), (408, TransientError),
        (429, ThrottledError), (500, TransientError), (502, TransientError), (503, ThrottledError),
        (504, TransientError), (307, RefusedError),
    ],
)  # fmt: skip
def test_without_a_known_code_the_status_tells(status: int, kind: type[ServiceError]) -> None:
    assert kind_of("NeverHeardOf", status) is kind


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, TransientError), (400, TransientError), (403, CredentialsError), (404, TransientError),
        (429, ThrottledError),
    ],
)  # fmt: skip
def test_a_refusal_without_a_code_is_not_the_services(status: int, kind: type[ServiceError]) -> None:
    assert kind_of("", status) is kind


@pytest.mark.parametrize("call", [put, lease])
async def test_a_gateways_page_is_told_by_its_status(call: Callable[[Account], Awaitable[None]]) -> None:
    page = respond("503 Service Unavailable", b"<html><body>busy</body></html>", Content_Type="text/html")
    error = await failure(page, call)
    assert type(error) is ThrottledError
    assert error.http_status == 503


async def test_an_empty_503_is_throttling() -> None:
    assert type(await failure(respond("503 Service Unavailable"), put)) is ThrottledError


@pytest.mark.parametrize(
    ("value", "least_s", "most_s"),
    [("7", 7, 7), ("99999", 900, 900), (formatdate(0, usegmt=True), 0, 0), ("soon", 0, 0), ("", 0, 0)],
)
async def test_retry_after_is_passed_on(value: str, least_s: float, most_s: float) -> None:
    error = await failure(s3_error("503 Slow Down", "SlowDown", Retry_After=value), put)
    assert least_s <= error.retry_after_s <= most_s


async def test_retry_after_may_be_a_date() -> None:
    at = formatdate(time.time() + 30, usegmt=True)
    error = await failure(s3_error("503 Slow Down", "SlowDown", Retry_After=at), put)
    assert 20 < error.retry_after_s <= 30


async def test_a_code_that_names_the_time_is_told_as_a_wrong_clock() -> None:
    told = await failure(s3_error("403 Forbidden", "RequestTimeTooSkewed"), put)
    assert (told.code, "clock is wrong" in told.hint) == ("RequestTimeTooSkewed", True)


@pytest.mark.parametrize(
    ("ahead_s", "told"), [(1320, "22 minutes behind"), (-7200, "120 minutes ahead"), (100, ""), (-100, "")]
)
async def test_a_refused_signature_is_told_as_a_wrong_clock_when_it_is(ahead_s: float, told: str) -> None:
    date = formatdate(time.time() + ahead_s, usegmt=True)
    error = await failure(sqs_error("403 Forbidden", "SignatureDoesNotMatch", Date=date), lease)
    assert type(error) is CredentialsError
    assert "SignatureDoesNotMatch" in error.what
    assert (error.code == "ClockIsOff", bool(error.hint)) == (bool(told), bool(told))
    assert told in error.hint


async def test_after_a_wrong_clock_requests_are_signed_with_the_services_time() -> None:
    ahead_s = 3 * 86400.0

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        signed = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%S%z")
        date = formatdate(time.time() + ahead_s, usegmt=True)
        if abs(signed.timestamp() - time.time() - ahead_s) < 60:
            writer.write(respond("200 OK", ETag='"opaque"', Date=date))
        else:
            writer.write(s3_error("403 Forbidden", "RequestTimeTooSkewed", Date=date))

    async with scripted(answer) as server, account(server.url) as opened:
        with pytest.raises(CredentialsError, match="4,320 minutes behind"):
            await put(opened)
        await put(opened)


async def test_keys_refused_under_a_wrong_clock_that_is_set_right_are_refused_keys() -> None:
    date = formatdate(time.time() + 3600, usegmt=True)
    async with (
        scripted(s3_error("403 Forbidden", "InvalidAccessKeyId", Date=date)) as server,
        account(server.url) as opened,
    ):
        codes = []
        for _ in range(2):
            with pytest.raises(CredentialsError) as refused:
                await put(opened)
            codes.append(refused.value.code)
    assert codes == ["ClockIsOff", "InvalidAccessKeyId"]


REDIRECT = (
    b"<Error><Code>PermanentRedirect</Code><Endpoint>tiles.s3.eu-west-1.amazonaws.com</Endpoint></Error>"
)
MALFORMED = b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>"


@pytest.mark.parametrize(
    "answer",
    [
        s3_error("400 Bad Request", "AuthorizationHeaderMalformed", x_amz_bucket_region="eu-west-1"),
        s3_error(
            "307 Temporary Redirect", "TemporaryRedirect", x_amz_bucket_region="eu-west-1", Location="/"
        ),
        respond("301 Moved Permanently", REDIRECT, Location="http://127.0.0.1:9/elsewhere"),
        respond("400 Bad Request", MALFORMED),
    ],
    ids=["malformed, in a header", "temporary redirect", "permanent redirect", "malformed, in XML"],
)
async def test_a_bucket_in_another_region_is_told_and_not_followed_to(answer: bytes) -> None:
    error = await failure(answer, put)
    assert type(error) is RefusedError
    assert "AWS_REGION" in error.hint
    assert "eu-west-1" in error.hint


@pytest.mark.parametrize(
    "answer",
    [
        respond("200 OK"),
        respond("200 OK", b"<html>Welcome to our Wi-Fi</html>", Content_Type="text/html"),
        respond("200 OK", b'{"Messages": [{"Body"', Content_Type="application/x-amz-json-1.0"),
        respond("200 OK", b"[]"),
        respond("200 OK", b"\xff\xfe\xfd"),
        respond("403 Forbidden", b"\xff\xfe\xfd"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    ],
    ids=["empty", "a page", "cut JSON", "a list", "not UTF-8", "403 not UTF-8", "cut short", "not HTTP"],
)
async def test_garbage_is_not_an_empty_queue(answer: bytes) -> None:
    async def once(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    error = await failure(once, lease)
    assert isinstance(error, (TransientError, CredentialsError))


async def test_an_empty_json_object_is_an_empty_queue() -> None:
    async with scripted(respond("200 OK", b"{}")) as server, account(server.url) as opened:
        assert await opened.upload_queue("http://q/1/u").lease(1, wait_s=0, lease_s=60) == []


@pytest.mark.parametrize(
    "answer",
    [
        respond("200 OK", b'{"Messages": [{"Body": "no receipt"}]}'),
        respond("200 OK", b'{"Messages": "none"}'),
        respond("200 OK", b'{"Messages": [null]}'),
    ],
)
async def test_messages_that_lack_their_parts_are_transient(answer: bytes) -> None:
    assert (await failure(answer, lease)).code == "Garbage"


@pytest.mark.parametrize(
    "answer",
    [
        respond("400 Bad Request", b"<Error><Code>Acc"),
        respond("302 Found", b"", Location="http://127.0.0.1:9/login"),
        respond("200 OK", b"<html>Welcome to our Wi-Fi</html>"),
        respond("204 No Content"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<Err",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"",
    ],
    ids=["cut XML", "a captive portal", "its page", "no ETag", "cut short", "not HTTP", "nothing"],
)
async def test_garbage_is_no_stored_object(answer: bytes) -> None:
    async def once(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    assert type(await failure(once, put)) is TransientError


async def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_MOST_BYTES", 1000)
    assert (await failure(respond("500 Oh", bytes(2000)), put)).code == "TooLong"


@pytest.mark.parametrize("call", [put, lease])
async def test_a_connection_reset_mid_answer_is_transient(call: Callable[[Account], Awaitable[None]]) -> None:
    async def reset(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        writer.transport.abort()

    assert type(await failure(reset, call)) is TransientError


async def test_a_half_open_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqs, "_ANSWER_LIMIT_S", 0.2)

    async def hang(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")

    error = await failure(hang, lease)
    assert (type(error), error.code) == (TransientError, "Timeout")


async def test_nobody_there_is_transient() -> None:
    async with scripted(b"") as server:
        pass
    async with account(server.url) as opened:
        with pytest.raises(TransientError, match="NoConnection") as nobody:
            await put(opened)
    assert "network" in nobody.value.hint
