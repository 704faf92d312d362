"""What tests against a local Boss need: job files, and a client as plain as can be."""

from __future__ import annotations

import io
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import blosc
import numpy as np
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from numpy.typing import NDArray

    from boss_ingest.local.boss import LocalBoss

NAMES: dict[str, Any] = {"collection": "col", "experiment": "exp", "channel": "ch"}


def job_file(
    *, tile: tuple[int, int] | None = None, chunk: tuple[int, int, int] | None = None, **extent: list[int]
) -> dict[str, Any]:
    """A job file of schema v0.2; sizes and the extent are in x, y, z order, t is [0, 1] unless given."""
    if tile:
        kind: dict[str, Any] = {
            "ingest_type": "tile",
            "tile_size": {"x": tile[0], "y": tile[1], "z": 1, "t": 1},
        }
    else:
        assert chunk is not None
        kind = {"ingest_type": "volumetric", "chunk_size": dict(zip("xyz", chunk, strict=True))}
    plugin = {"class": "somewhere.Plugin", "params": {}}
    return {
        "schema": {"name": "boss-v0.2-schema", "validator": "BossValidatorV02"},
        "client": {
            "backend": {"name": "boss", "class": "BossBackend", "host": "127.0.0.1", "protocol": "http"},
            "path_processor": plugin,
            "tile_processor" if tile else "chunk_processor": plugin,
        },
        "database": NAMES,
        "ingest_job": {"resolution": 0, "extent": {"t": [0, 1], **extent}, **kind},
    }


class Client:
    """Talks to a local Boss as one user. Every answer is (status, body)."""

    def __init__(self, boss: LocalBoss, user: str | None = "local") -> None:
        self._boss = boss
        self._headers = {"Authorization": f"Token {boss.token_for(user)}"} if user else {}

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(300.0))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        async with self._session.request(
            method,
            f"{self._boss.url}{path}",
            json=body,
            headers=self._headers | headers,
            allow_redirects=False,
        ) as response:
            raw = await response.read()
            return response.status, json.loads(raw) if response.content_type == "application/json" else raw

    async def create(self, config: dict[str, Any]) -> int:
        status, job = await self.ask("POST", "/v1/ingest/", config)
        assert status == 201, job
        return int(job["id"])

    async def start(self, config: dict[str, Any]) -> Joined:
        """Create a job and join it until it is UPLOADING."""
        return await self.join(await self.create(config))

    async def join(self, job_id: int) -> Joined:
        while True:
            status, answer = await self.ask("GET", f"/v1/ingest/{job_id}")
            assert status == 200, answer
            if answer["ingest_job"]["status"] != 0:
                return Joined(self._boss, answer)

    async def complete(self, job_id: int) -> tuple[int, Any]:
        return await self.ask("POST", f"/v1/ingest/{job_id}/complete")

    async def finish(self, job_id: int) -> None:
        """Drive a job to COMPLETE."""
        while (answer := await self.complete(job_id))[0] != 204:
            assert answer[0] == 202 or "wait_secs" in answer[1], answer

    async def cutout(
        self,
        dtype: str,
        *,
        x: tuple[int, int],
        y: tuple[int, int],
        z: tuple[int, int],
        t: tuple[int, int] | None = None,
        channel: str = "ch",
    ) -> NDArray[Any]:
        spans = [x, y, z, *([t] if t else [])]
        url = f"/v1/cutout/col/exp/{channel}/0/" + "/".join(f"{start}:{stop}" for start, stop in spans) + "/"
        status, body = await self.ask("GET", url, Accept="application/blosc")
        assert status == 200, body
        shape = [stop - start for start, stop in reversed(spans)]
        return np.frombuffer(blosc.decompress(body), dtype=dtype).reshape(shape)


class Joined:
    """A job one has joined: its keys, and SQS and S3 clients that use them."""

    def __init__(self, boss: LocalBoss, answer: dict[str, Any]) -> None:
        self._boss = boss
        self.answer = answer
        self.id = int(answer["ingest_job"]["id"])
        self.upload_queue = answer["ingest_job"]["upload_queue"]
        self.index_queue = answer["ingest_job"]["tile_index_queue"]
        self.bucket = answer[
            "ingest_bucket_name" if answer["ingest_job"]["ingest_type"] else "tile_bucket_name"
        ]

    @asynccontextmanager
    async def clients(self, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
        """An SQS and an S3 client that do not retry."""
        keys = self.answer["credentials"]
        config = AioConfig(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, **options)
        common = {
            "region_name": "us-east-1",
            "endpoint_url": self._boss.url,
            "config": config,
            "aws_access_key_id": keys["access_key"],
            "aws_secret_access_key": keys["secret_key"],
        }
        session = get_session()
        async with session.create_client("sqs", **common) as sqs, session.create_client("s3", **common) as s3:
            yield sqs, s3

    async def receive(self, sqs: Any, most: int = 10) -> list[dict[str, Any]]:
        answer = await sqs.receive_message(QueueUrl=self.upload_queue, MaxNumberOfMessages=most)
        found: list[dict[str, Any]] = answer.get("Messages", [])
        return found

    async def upload(self, make: Callable[[dict[str, Any]], Any]) -> int:
        """Do every task there is: `make` turns the message into the tile's body or {cuboid key: body}."""
        done = 0
        async with self.clients() as (sqs, s3):
            while messages := await self.receive(sqs):
                for message in messages:
                    task = json.loads(message["Body"])
                    made = make(task)
                    if isinstance(made, dict):
                        await self.put_cuboids(s3, made)
                    else:
                        await self.put_tile(s3, message, made)
                        await self.index(sqs, task)
                    await sqs.delete_message(
                        QueueUrl=self.upload_queue, ReceiptHandle=message["ReceiptHandle"]
                    )
                    done += 1
        return done

    async def put_tile(self, s3: Any, message: dict[str, Any], body: bytes, **sizes: int) -> None:
        metadata = {
            "message_id": message["MessageId"],
            "receipt_handle": message["ReceiptHandle"],
            "metadata": json.dumps(sizes or {"x_size": 512, "y_size": 512}),
        }
        key = json.loads(message["Body"])["tile_key"]
        await s3.put_object(Bucket=self.bucket, Key=key, Body=body, Metadata=metadata)

    async def put_cuboids(self, s3: Any, cuboids: dict[str, bytes]) -> None:
        metadata = {"metadata": json.dumps({"ingest_job": self.id})}
        for key, body in cuboids.items():
            await s3.put_object(Bucket=self.bucket, Key=key, Body=body, Metadata=metadata)

    async def index(self, sqs: Any, task: dict[str, Any]) -> None:
        body = {
            "chunk_key": task["chunk_key"],
            "tile_key": task["tile_key"],
            "ingest_job": self.id,
            "parameters": {"resource": self.answer["resource"]},
        }
        await sqs.send_message(QueueUrl=self.index_queue, MessageBody=json.dumps(body))


def png(image: NDArray[Any]) -> bytes:
    """An image as PNG."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def slice_number(task: dict[str, Any]) -> int:
    """The z of a tile task."""
    return int(task["tile_key"].split("&")[-2])
