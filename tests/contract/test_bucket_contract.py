"""What every bucket does, whoever implements it."""

from __future__ import annotations

import asyncio
import hashlib
import random
from typing import TYPE_CHECKING

import pytest

from boss_ingest.aws.bucket import Stored
from boss_ingest.aws.checksums import crc64nvme
from boss_ingest.errors import RefusedError, TransientError
from tests.contract.buckets import BUCKETS, Buckets
from tests.contract.moto_server import running_moto

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

KEY = "225414400ae108153ca3744836e7040d&4&9&27&0&0&0&0&0"
METADATA = {
    "message_id": "4b1f-9",
    "receipt_handle": "AQEB" + "x+/=" * 100,
    "metadata": '{"chunk_key":"ca49&16&4","x_size":1024,"y_size":1024}',
}


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    with running_moto() as url:
        yield url


@pytest.fixture(params=BUCKETS)
async def buckets(request: pytest.FixtureRequest, moto_url: str, tmp_path: Path) -> AsyncIterator[Buckets]:
    async with BUCKETS[request.param](moto_url, tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("size_bytes", [1, 100_000, 2**20, 2**20 + 1, 8 * 2**20])
async def test_an_object_reads_back_as_it_was_put(buckets: Buckets, size_bytes: int) -> None:
    body = random.Random(size_bytes).randbytes(size_bytes)
    stored = await buckets.bucket.put(KEY, body, metadata=METADATA)
    assert stored == Stored(KEY, size_bytes, hashlib.md5(body).hexdigest())
    assert await buckets.read(KEY) == (body, METADATA)


async def test_an_object_may_have_no_metadata(buckets: Buckets) -> None:
    await buckets.bucket.put(KEY, b"body", metadata={})
    assert await buckets.read(KEY) == (b"body", {})


async def test_an_object_may_be_empty(buckets: Buckets) -> None:
    stored = await buckets.bucket.put(KEY, b"", metadata=METADATA)
    assert stored.size_bytes == 0
    assert await buckets.read(KEY) == (b"", METADATA)


@pytest.mark.parametrize("size_bytes", [1000, 3 * 2**20])
async def test_part_of_a_buffer_is_put_without_the_rest(buckets: Buckets, size_bytes: int) -> None:
    buffer = bytearray(random.Random(size_bytes).randbytes(size_bytes + 200))
    await buckets.bucket.put(KEY, memoryview(buffer)[100:-100], metadata={})
    body, _ = await buckets.read(KEY)
    assert body == buffer[100:-100]


async def test_an_object_in_several_buffers_is_one(buckets: Buckets) -> None:
    parts = b"a header", memoryview(bytes(2**20)), random.Random(3).randbytes(100)
    stored = await buckets.bucket.put(KEY, parts, metadata={})
    whole = b"".join(parts)
    assert stored == Stored(KEY, len(whole), hashlib.md5(whole).hexdigest())
    assert await buckets.read(KEY) == (whole, {})


@pytest.mark.parametrize("key", [KEY, "a b+c%26&d", "Zürich/脳"])
async def test_keys_pass_unchanged(buckets: Buckets, key: str) -> None:
    await buckets.bucket.put(key, key.encode(), metadata={})
    assert await buckets.read(key) == (key.encode(), {})


async def test_a_second_put_replaces_the_first(buckets: Buckets) -> None:
    await buckets.bucket.put(KEY, b"first", metadata={"metadata": "1"})
    await buckets.bucket.put(KEY, b"second", metadata={"metadata": "2"})
    assert await buckets.read(KEY) == (b"second", {"metadata": "2"})


async def test_many_puts_at_once_do_not_mix(buckets: Buckets) -> None:
    objects = {f"{KEY}&{number}": random.Random(number).randbytes(50_000) for number in range(40)}
    await asyncio.gather(*(buckets.bucket.put(key, body, metadata={}) for key, body in objects.items()))
    for key, body in objects.items():
        assert await buckets.read(key) == (body, {})


async def test_a_bucket_that_is_not_there_refuses(buckets: Buckets) -> None:
    with pytest.raises(RefusedError, match="NoSuchBucket") as refusal:
        await buckets.missing.put(KEY, b"body", metadata={})
    assert KEY in refusal.value.what
    assert refusal.value.code == "NoSuchBucket"


@pytest.mark.parametrize("value", ["two\r\nlines", "Zürich", "\x00"])
async def test_metadata_that_no_header_can_carry_is_refused(buckets: Buckets, value: str) -> None:
    with pytest.raises(RefusedError, match="receipt_handle"):
        await buckets.bucket.put(KEY, b"body", metadata={"receipt_handle": value})


async def test_bytes_that_changed_on_their_way_are_not_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("boss_ingest.aws.s3.crc64nvme", lambda _body: crc64nvme(b"what was sent"))
    async with BUCKETS["local boss"]("", tmp_path) as opened:
        with pytest.raises(TransientError, match="BadDigest"):
            await opened.bucket.put(KEY, b"what arrived", metadata={})
        with pytest.raises(ValueError, match="got 0"):  # there is none
            await opened.read(KEY)
