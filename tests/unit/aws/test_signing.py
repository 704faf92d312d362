"""Signatures: those of the published examples, and those that botocore makes."""

from __future__ import annotations

import hashlib
import random
from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from pydantic import SecretStr

from boss_ingest.aws.clock import Clock
from boss_ingest.aws.keys import Keys
from boss_ingest.aws.signing import UNSIGNED, Signer

EXAMPLE_KEY, EXAMPLE_SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def signer_at(at: datetime, *, token: str = "", region: str = "us-east-1") -> Signer:
    clock = SimpleNamespace(now_s=at.timestamp)
    signer = Signer(region, clock)  # type: ignore[arg-type]  # a clock that stands still
    signer.use(Keys(EXAMPLE_KEY, SecretStr(EXAMPLE_SECRET), SecretStr(token) if token else None))
    return signer


def test_the_put_of_amazons_own_example() -> None:
    """https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "PUT Object"."""
    payload = hashlib.sha256(b"Welcome to Amazon S3.").hexdigest()
    headers = {
        "host": "examplebucket.s3.amazonaws.com",
        "date": "Fri, 24 May 2013 00:00:00 GMT",
        "x-amz-content-sha256": payload,
        "x-amz-storage-class": "REDUCED_REDUNDANCY",
    }
    signer_at(datetime(2013, 5, 24, tzinfo=UTC)).sign("s3", "PUT", "/test%24file.text", headers, payload)
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
        "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, "
        "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
    )


@pytest.mark.parametrize("seed", range(20))
def test_botocore_signs_alike(seed: int) -> None:
    dice = random.Random(seed)
    letters = "aZ09-_.~/&+ %$,:;=?@é脳"
    path = "/tiles.boss/" + quote("".join(dice.choices(letters, k=30)), safe="/-_.~")
    at = datetime(2026, 11, 22, 23, 59, dice.randrange(60), tzinfo=UTC)
    token = "token/+=" * dice.randrange(3)
    service = dice.choice(["s3", "sqs"])
    path = path if service == "s3" else "/"
    payload = UNSIGNED if service == "s3" else hashlib.sha256(b"{}").hexdigest()
    headers = {
        "host": "127.0.0.1:8123",
        "x-amz-meta-metadata": " two  spaces " + "x" * dice.randrange(9),
        "x-amz-meta-message_id": "4b1f",
        "x-amz-content-sha256": payload,
    }
    request = AWSRequest("PUT", f"http://127.0.0.1:8123{path}", headers=dict(headers))
    kind: type[SigV4Auth] = type("Signer", (S3SigV4Auth if service == "s3" else SigV4Auth,), {})
    kind.payload = lambda *_: payload  # type: ignore[method-assign]  # as over TLS
    signer = kind(Credentials(EXAMPLE_KEY, EXAMPLE_SECRET, token or None), service, "eu-west-1")
    request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    request.headers["X-Amz-Date"] = request.context["timestamp"]
    if token:
        request.headers["X-Amz-Security-Token"] = token
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer_at(at, token=token, region="eu-west-1").sign(service, "PUT", path, headers, payload)
    assert headers["authorization"].endswith(f"Signature={signer.signature(text, request)}")


def test_new_keys_and_a_new_day_are_used_at_once() -> None:
    now = [datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC).timestamp()]
    signer = Signer("us-east-1", SimpleNamespace(now_s=lambda: now[0]))  # type: ignore[arg-type]  # as above

    def signed() -> str:
        headers = {"host": "h"}
        signer.sign("s3", "PUT", "/b/k", headers, UNSIGNED)
        return headers["authorization"].removeprefix("AWS4-HMAC-SHA256 Credential=")

    signer.use(Keys("ONE", SecretStr("a"), None))
    assert signed().startswith("ONE/20260101/")
    now[0] += 1
    assert signed().startswith("ONE/20260102/")
    first = signed()
    signer.use(Keys("ONE", SecretStr("b"), None))
    assert signed() != first


def test_the_clock_is_this_machines_until_told_otherwise(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    here = clock.now_s()
    assert clock.explain("no date") == clock.explain("") == ""
    assert "minutes behind" in clock.explain("Fri, 01 Jan 2100 00:00:00 GMT")
    assert clock.now_s() > here + 86400
    assert clock.explain("Fri, 01 Jan 2100 00:00:30 GMT") == ""
    assert len(caplog.records) == 1
