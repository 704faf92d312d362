"""Every implementation of the queues, opened alike. To add one: write an `open_…`, name it in QUEUES."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from boss_ingest.aws.account import Account, Keys
from tests.contract.local_server import running_local_boss
from tests.contract.moto_server import second_opinion
from tests.doubles.memory_queue import MemoryQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from boss_ingest.aws.queue import IndexQueue, UploadQueue


@dataclass(frozen=True, slots=True)
class Queues:
    """A fresh, empty pair, with a way round them."""

    upload: UploadQueue
    index: IndexQueue
    fill: Callable[[list[str]], Awaitable[None]]  # puts tasks on the upload queue
    sent: Callable[[], Awaitable[list[str]]]  # takes what was sent to the index queue
    drop: Callable[[], Awaitable[None]]  # deletes both


async def job_keys() -> Keys:
    return Keys("AKIDJOB", SecretStr("secret"), None)


@asynccontextmanager
async def open_memory(_moto_url: str, _directory: Path) -> AsyncIterator[Queues]:
    upload, index = MemoryQueue("upload"), MemoryQueue("index")

    async def fill(bodies: list[str]) -> None:
        for body in bodies:
            await upload.send(body)

    async def sent() -> list[str]:
        return index.bodies

    async def drop() -> None:
        upload.delete()
        index.delete()

    yield Queues(upload, index, fill, sent, drop)


@asynccontextmanager
async def open_moto(moto_url: str, _directory: Path) -> AsyncIterator[Queues]:
    sqs = second_opinion("sqs", moto_url)
    names = [f"production-boss-{kind}-{uuid.uuid4().hex}" for kind in ("upload", "index")]
    upload_url, index_url = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in names]

    async def fill(bodies: list[str]) -> None:
        for body in bodies:
            await asyncio.to_thread(sqs.send_message, QueueUrl=upload_url, MessageBody=body)

    async def sent() -> list[str]:
        bodies: list[str] = []
        while True:
            answer = await asyncio.to_thread(
                sqs.receive_message, QueueUrl=index_url, MaxNumberOfMessages=10, WaitTimeSeconds=0
            )
            if "Messages" not in answer:
                return bodies
            bodies += [message["Body"] for message in answer["Messages"]]

    async def drop() -> None:
        for url in (upload_url, index_url):
            await asyncio.to_thread(sqs.delete_queue, QueueUrl=url)

    async with Account(job_keys, queue_url=upload_url, concurrency=4, env={}) as account:
        yield Queues(account.upload_queue(upload_url), account.index_queue(index_url), fill, sent, drop)


@asynccontextmanager
async def open_local_boss(_moto_url: str, directory: Path) -> AsyncIterator[Queues]:
    async with running_local_boss(directory) as ground:
        queues = ground.state.queues

        async def fill(bodies: list[str]) -> None:
            queues.get(ground.upload_name).send(bodies)

        async def sent() -> list[str]:
            index = queues.get(ground.index_name)
            return [delivery.body for delivery in await index.receive(1000, wait_s=0)]

        async def drop() -> None:
            queues.delete(ground.upload_name)
            queues.delete(ground.index_name)

        async with Account(ground.issue, queue_url=ground.upload_url, concurrency=4, env={}) as account:
            upload, index = account.upload_queue(ground.upload_url), account.index_queue(ground.index_url)
            yield Queues(upload, index, fill, sent, drop)


QUEUES = {"memory": open_memory, "moto": open_moto, "local boss": open_local_boss}
