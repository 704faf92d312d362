"""Signatures, against the worked examples that AWS publishes with the algorithm."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from boss_ingest.local.aws_errors import AwsError
from boss_ingest.local.s3 import _Chain
from boss_ingest.local.sigv4 import check_time, read_signature, verify

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PUT_HASH = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"
PUT = {
    "Host": "examplebucket.s3.amazonaws.com",
    "Date": "Fri, 24 May 2013 00:00:00 GMT",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "x-amz-content-sha256": PUT_HASH,
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
    "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
    "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
}
CHUNKED = {
    "Host": "s3.amazonaws.com",
    "x-amz-date": "20130524T000000Z",
    "x-amz-storage-class": "REDUCED_REDUNDANCY",
    "x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "Content-Encoding": "aws-chunked",
    "x-amz-decoded-content-length": "66560",
    "Content-Length": "66824",
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
    "SignedHeaders=content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
    "x-amz-decoded-content-length;x-amz-storage-class,"
    "Signature=4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
}


def proxy(headers: dict[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(headers))


def refused(headers: dict[str, str], path: str = "/test%24file.text", payload: str = PUT_HASH) -> str:
    signature = read_signature(proxy(headers), service="s3")
    assert signature is not None
    with pytest.raises(AwsError) as caught:
        verify(signature, SECRET, method="PUT", raw_path=path, headers=proxy(headers), payload_hash=payload)
    return caught.value.code


def test_the_published_put_is_accepted() -> None:
    signature = read_signature(proxy(PUT), service="s3")
    assert signature is not None
    assert signature.access_key == "AKIAIOSFODNN7EXAMPLE"
    verify(
        signature,
        SECRET,
        method="PUT",
        raw_path="/test%24file.text",
        headers=proxy(PUT),
        payload_hash=PUT_HASH,
    )


def test_the_published_chunks_are_signed_as_published() -> None:
    signature = read_signature(proxy(CHUNKED), service="s3")
    assert signature is not None
    payload = CHUNKED["x-amz-content-sha256"]
    path = "/examplebucket/chunkObject.txt"
    verify(signature, SECRET, method="PUT", raw_path=path, headers=proxy(CHUNKED), payload_hash=payload)
    chain = _Chain(signature, SECRET)
    assert [chain.chunk(sha256) for sha256 in (
        "bf718b6f653bebc184e1479f1935b8da974d701b893afcf49e701f3e2f9f9c5a",
        "2edc986847e209b4016e141a6dc8716d3207350f416969382d431539bf292e4a",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )] == [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]  # fmt: skip


def test_another_body_path_or_header_is_refused() -> None:
    assert refused(PUT, payload="0" * 64) == "SignatureDoesNotMatch"
    assert refused(PUT, path="/another") == "SignatureDoesNotMatch"
    assert refused(PUT | {"x-amz-storage-class": "STANDARD"}) == "SignatureDoesNotMatch"


def test_an_amazon_header_must_be_signed() -> None:
    assert refused(PUT | {"x-amz-meta-more": "added on the way"}) == "AccessDenied"


def test_an_authorization_of_another_kind_is_malformed() -> None:
    for text in ("AWS AKIA:abc", "Token abc", PUT["Authorization"].replace("/s3/", "/sqs/")):
        with pytest.raises(AwsError, match="AuthorizationHeaderMalformed"):
            read_signature(proxy(PUT | {"Authorization": text}), service="s3")


@pytest.mark.parametrize(
    ("minutes", "accepted"), [(0, True), (14, True), (-14, True), (16, False), (-16, False)]
)
def test_a_clock_may_be_off_by_a_quarter_of_an_hour(minutes: int, accepted: bool) -> None:
    signature = read_signature(proxy(PUT), service="s3")
    assert signature is not None
    now = datetime(2013, 5, 24, tzinfo=UTC).timestamp() + minutes * 60
    if accepted:
        check_time(signature, now)
    else:
        with pytest.raises(AwsError, match="RequestTimeTooSkewed"):
            check_time(signature, now)
