"""Every implementation of the bucket, opened alike. To add one: write an `open_…`, name it in BUCKETS."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from boss_ingest.aws.account import Account, Keys
from boss_ingest.local.settings import TILE_BUCKET
from tests.contract.local_server import Ground, running_local_boss
from tests.contract.moto_server import second_opinion
from tests.contract.rclone_server import ACCESS_KEY, SECRET_KEY, running_rclone
from tests.contract.throwaway_tls import certificates, tls_front
from tests.doubles.memory_bucket import MemoryBucket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from boss_ingest.aws.bucket import Bucket


@dataclass(frozen=True, slots=True)
class Buckets:
    """A fresh, empty bucket, one that does not exist, and a way to read the first behind our back."""

    bucket: Bucket
    missing: Bucket
    read: Callable[[str], Awaitable[tuple[bytes, dict[str, str]]]]  # body and metadata of a key


@asynccontextmanager
async def open_memory(_moto_url: str, _directory: Path) -> AsyncIterator[Buckets]:
    bucket = MemoryBucket()

    async def read(key: str) -> tuple[bytes, dict[str, str]]:
        found = bucket.objects[key]
        return found.body, found.metadata

    yield Buckets(bucket, MemoryBucket("missing", exists=False), read)


@asynccontextmanager
async def open_moto(moto_url: str, _directory: Path) -> AsyncIterator[Buckets]:
    async with _over_http(moto_url, "admin", "admin") as buckets:
        yield buckets


@asynccontextmanager
async def open_rclone(_moto_url: str, directory: Path) -> AsyncIterator[Buckets]:
    async with running_rclone(directory) as url, _over_http(url, ACCESS_KEY, SECRET_KEY) as buckets:
        yield buckets


@asynccontextmanager
async def open_rclone_tls(_moto_url: str, directory: Path) -> AsyncIterator[Buckets]:
    pem = certificates(directory)
    served = directory / "served"
    served.mkdir()
    async with (
        running_rclone(served, pem) as url,
        _over_http(url, ACCESS_KEY, SECRET_KEY, pem.ca_bundle) as buckets,
    ):
        yield buckets


@asynccontextmanager
async def open_local_boss(_moto_url: str, directory: Path) -> AsyncIterator[Buckets]:
    async with running_local_boss(directory) as ground, _of_local_boss(ground, {}) as buckets:
        yield buckets


@asynccontextmanager
async def open_local_boss_tls(_moto_url: str, directory: Path) -> AsyncIterator[Buckets]:
    pem = certificates(directory)
    async with (
        running_local_boss(directory / "boss") as ground,
        tls_front(ground.boss.url, pem) as url,
        _of_local_boss(ground, {"AWS_ENDPOINT_URL_S3": url}, pem.ca_bundle) as buckets,
    ):
        yield buckets


@asynccontextmanager
async def _of_local_boss(
    ground: Ground, env: dict[str, str], ca_bundle: Path | None = None
) -> AsyncIterator[Buckets]:
    async def read(key: str) -> tuple[bytes, dict[str, str]]:
        (found,) = (one for one in ground.boss.objects(TILE_BUCKET) if one.key == key)
        return found.read(), dict(found.metadata)

    url = ground.upload_url
    async with Account(ground.issue, queue_url=url, concurrency=8, ca_bundle=ca_bundle, env=env) as account:
        yield Buckets(account.bucket(TILE_BUCKET), account.bucket("no.such.bucket"), read)


@asynccontextmanager
async def _over_http(
    url: str, access_key: str, secret_key: str, ca_bundle: Path | None = None
) -> AsyncIterator[Buckets]:
    s3 = second_opinion("s3", url, access_key, secret_key, ca_bundle)
    name = f"tiles.production.boss.{uuid.uuid4().hex[:8]}"
    await asyncio.to_thread(s3.create_bucket, Bucket=name)

    async def keys() -> Keys:
        return Keys(access_key, SecretStr(secret_key), None)

    async def read(key: str) -> tuple[bytes, dict[str, str]]:
        def get() -> tuple[bytes, Any]:
            answer = s3.get_object(Bucket=name, Key=key)
            with answer["Body"] as body:
                return body.read(), {name.lower(): value for name, value in answer["Metadata"].items()}

        return await asyncio.to_thread(get)

    queue_url = f"{url}/1/upload"
    async with Account(keys, queue_url=queue_url, concurrency=8, ca_bundle=ca_bundle, env={}) as account:
        yield Buckets(account.bucket(name), account.bucket("no.such.bucket"), read)


BUCKETS = {
    "memory": open_memory,
    "moto": open_moto,
    "rclone": open_rclone,
    "rclone, TLS": open_rclone_tls,
    "local boss": open_local_boss,
    "local boss, TLS": open_local_boss_tls,
}
