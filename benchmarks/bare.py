"""`python -m benchmarks.bare CLIENT …`: what others need for the same bytes; its last line is JSON.

    ours | aiobotocore  URL FOLDER TASKS PUTS_PER_TASK CONCURRENCY [CA]    PUT the files of FOLDER in turns
    blosc               FOLDER TASKS CHANNEL_TYPE    compress on all cores, send nothing

Only the loop is timed: what is sent is in memory before, and connections are made in a warm-up.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from pydantic import SecretStr

from benchmarks.finished import cuboids
from boss_ingest.aws.account import Account, Keys
from boss_ingest.config.cores import cores
from boss_ingest.encode.codec import codec_for
from boss_ingest.encode.cuboid import compress

ACCESS_KEY, SECRET_KEY, TOKEN = "AKIA" + "X" * 16, "s" * 40, "t" * 400
BUCKET = "tiles.local.boss"
METADATA = {"message_id": "0" * 36, "receipt_handle": "A" * 412, "metadata": "{" + "x" * 900 + "}"}
"""As long as those of a tile are."""

Put = Callable[[str, bytes], Awaitable[Any]]


async def _keys() -> Keys:
    return Keys(ACCESS_KEY, SecretStr(SECRET_KEY), SecretStr(TOKEN))


async def _ours(stack: AsyncExitStack, url: str, concurrency: int, ca_bundle: Path | None) -> Put:
    account = Account(_keys, queue_url=f"{url}/1/queue", concurrency=concurrency, ca_bundle=ca_bundle, env={})
    bucket = (await stack.enter_async_context(account)).bucket(BUCKET)
    return lambda key, body: bucket.put(key, body, metadata=METADATA)


async def _aiobotocore(stack: AsyncExitStack, url: str, concurrency: int, ca_bundle: Path | None) -> Put:
    """As it comes."""
    client = get_session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        aws_session_token=TOKEN,
        verify=str(ca_bundle) if ca_bundle else None,
        config=AioConfig(max_pool_connections=concurrency, s3={"addressing_style": "path"}),
    )
    s3 = await stack.enter_async_context(client)
    return lambda key, body: s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=METADATA)


async def _put_all(make: Any, url: str, folder: str, *numbers: str) -> dict[str, float]:
    tasks, per_task, concurrency = map(int, numbers[:3])
    ca_bundle = Path(numbers[3]) if len(numbers) > 3 else None
    bodies = _bodies(folder)

    async def all_of(put: Put, count: int) -> None:
        work = enumerate(islice(cycle(bodies), count))

        async def worker() -> None:
            for number, body in work:
                await put(f"f4b6ba6c7f3ef6a5d1e0c4b3&4&9&27&0&0&0&{number}&0", body)

        await asyncio.gather(*(worker() for _ in range(concurrency)))

    async with AsyncExitStack() as stack:
        put = await make(stack, url, concurrency, ca_bundle)
        await all_of(put, min(concurrency, tasks * per_task))
        cpu, wall = time.process_time(), time.perf_counter()
        await all_of(put, tasks * per_task)
        return _told(tasks, cpu, wall)


def _bodies(folder: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path(folder).iterdir())]


def _blosc(folder: str, tasks: str, channel_type: str) -> dict[str, float]:
    """Cuboids cut before, as many threads as cores, the codec that ours takes."""
    chunks = cuboids(Path(folder))
    codec = codec_for(channel_type, itemsize_bytes=chunks[0][0].itemsize)
    work = [cuboid for chunk in islice(cycle(chunks), int(tasks)) for cuboid in chunk]
    with ThreadPoolExecutor(cores()) as threads:
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in threads.map(lambda cuboid: len(compress(cuboid, codec)), work):
            pass
        return _told(int(tasks), cpu, wall)


def _told(tasks: int, cpu: float, wall: float) -> dict[str, float]:
    return {"tasks": tasks, "wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}


def main() -> None:
    client, *arguments = sys.argv[1:]
    if client == "blosc":
        print(json.dumps(_blosc(*arguments)))
    else:
        make = {"ours": _ours, "aiobotocore": _aiobotocore}[client]
        print(json.dumps(asyncio.run(_put_all(make, *arguments))))


if __name__ == "__main__":
    main()
