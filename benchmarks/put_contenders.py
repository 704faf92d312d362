"""What is measured of PUTs: our bucket, aiobotocore as it comes, and the whole pipeline with our bucket.

Each `measure_…` runs in a process of its own and returns seconds of CPU (user and system) and of wall time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from pydantic import SecretStr

from boss_ingest.aws.account import Account, Keys
from boss_ingest.aws.sqs import import_sdk
from boss_ingest.boss.keys import ChunkKey, LookupIds, TileKey
from boss_ingest.config.extent import Extent, Span
from boss_ingest.encode.tile_image import TileImage
from boss_ingest.engine.budget import Room
from boss_ingest.engine.ledger import Ledger
from boss_ingest.engine.limiter import PutLimiter
from boss_ingest.engine.options import Options
from boss_ingest.engine.paths import JobFacts, TilePath
from boss_ingest.engine.pipeline import End, Pipeline
from boss_ingest.engine.retry import Retrier
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.store import Store
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.tasks import TileTask
from boss_ingest.engine.tile_source import ReadTile
from boss_ingest.errors import CredentialsError

ACCESS_KEY, SECRET_KEY, TOKEN = "AKIA" + "X" * 16, "s" * 40, "t" * 400
BUCKET = "tiles.production.boss"
METADATA = {"message_id": "0" * 36, "receipt_handle": "A" * 412, "metadata": "{" + "x" * 900 + "}"}
WARM_UP = 50
IDS = LookupIds(4, 9, 27)


@dataclass(frozen=True, slots=True)
class Seconds:
    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Load:
    """So many PUTs of so many bytes, so many at once, to a sink; `ca_bundle` when it speaks TLS."""

    url: str
    puts: int
    size_bytes: int
    concurrency: int
    ca_bundle: Path | None = None


async def _keys() -> Keys:
    return Keys(ACCESS_KEY, SecretStr(SECRET_KEY), SecretStr(TOKEN))


async def _timed(load: Load, put: Callable[[str, bytes], Awaitable[Any]]) -> Seconds:
    body = bytes(load.size_bytes)

    async def all_of(puts: int) -> None:
        numbers = iter(range(puts))

        async def worker() -> None:
            for number in numbers:
                await put(TileKey(IDS, 0, number, 0, 0, 0).encode(), body)

        await asyncio.gather(*(worker() for _ in range(load.concurrency)))

    await all_of(WARM_UP)
    cpu, wall = time.process_time(), time.perf_counter()
    await all_of(load.puts)
    return Seconds(time.process_time() - cpu, time.perf_counter() - wall)


def measure_ours(load: Load) -> Seconds:
    async def run() -> Seconds:
        connections = load.concurrency
        async with Account(
            _keys, queue_url=f"{load.url}/1/q", concurrency=connections, ca_bundle=load.ca_bundle, env={}
        ) as account:
            bucket = account.bucket(BUCKET)
            return await _timed(load, lambda key, body: bucket.put(key, body, metadata=METADATA))

    return asyncio.run(run())


def measure_aiobotocore(load: Load) -> Seconds:
    async def run() -> Seconds:
        config = AioConfig(max_pool_connections=load.concurrency, s3={"addressing_style": "path"})
        async with get_session().create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=load.url,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            aws_session_token=TOKEN,
            verify=str(load.ca_bundle) if load.ca_bundle else None,
            config=config,
        ) as s3:
            return await _timed(
                load,
                lambda key, body: s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=METADATA),
            )

    return asyncio.run(run())


def message_body(number: int) -> str:
    """A task of the upload queue, as the Boss writes it."""
    tile = TileKey(IDS, 0, 0, 0, number, 0).encode()
    chunk = ChunkKey(16, IDS, 0, 0, 0, number // 16, 0).encode()
    return f'{{"job_id": 7, "chunk_key": "{chunk}", "tile_key": "{tile}"}}'


class _SameTile:
    """A source that has every tile at hand."""

    def __init__(self, size_bytes: int) -> None:
        self._tile = ReadTile(TileImage(bytes(size_bytes), passed_through=True))

    async def read(self, _task: TileTask) -> ReadTile:
        return self._tile


async def _no_renewal(error: CredentialsError) -> None:
    raise error


def measure_pipeline(load: Load) -> Seconds:
    """From lease to acknowledgement, `load.puts` tiles; `load.url` must have that many messages."""

    async def run() -> Seconds:
        options = Options(concurrency=load.concurrency)
        tally = Tally()
        retry = Retrier(renew=_no_renewal, give_up_s=60, tally=tally, observe=lambda _event: None)
        extent = Extent(Span(0, 512), Span(0, 512), Span(0, load.puts), Span(0, 1))
        queues = {"upload_queue": f"{load.url}/1/upload", "ingest_queue": f"{load.url}/1/ingest"}
        settings = {"KVIO_SETTINGS": "k" * 200, "STATEIO_CONFIG": "s" * 100, "OBJECTIO_CONFIG": "o" * 300}
        async with Account(_keys, queue_url=load.url, concurrency=load.concurrency, env={}) as account:
            path = TilePath(
                JobFacts(7, extent, IDS, {**queues, **settings}),
                (512, 512),
                source=_SameTile(load.size_bytes),  # type: ignore[arg-type]  # all that a path asks of it
                store=Store(account.bucket(BUCKET), PutLimiter(options.concurrency), retry, tally),
                index=account.index_queue(f"{load.url}/1/index"),
                retry=retry,
                tally=tally,
                observe=lambda _event: None,
            )
            pipeline = Pipeline(
                account.upload_queue(f"{load.url}/1/upload"),
                path,
                cost_bytes=load.size_bytes,
                room=Room(memory_bytes=options.task_bytes, tasks=options.tasks_in_work(classic=False)),
                retry=retry,
                options=options,
                tally=tally,
                ledger=Ledger(),
                observe=lambda _event: None,
                stop=Stop(),
            )
            import_sdk()  # as it is by the time of the first lease
            cpu, wall = time.process_time(), time.perf_counter()
            end = await pipeline.run()
            wall = time.perf_counter() - wall
            assert end is End.DRAINED
            assert tally.stored == load.puts
            return Seconds(time.process_time() - cpu, wall)

    return asyncio.run(run())
