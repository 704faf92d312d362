"""What becomes of cuboids: copied as they are, looked at only when somebody reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import blosc
import numpy as np
import pytest

from boss_ingest.local.faults import Hold, Lose
from boss_ingest.local.settings import CUBOID_BUCKET, INGEST_BUCKET
from tests.local_jobs import NAMES, job_file

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.local_jobs import Client

CHUNK = job_file(chunk=(1024, 512, 32), x=[0, 1024], y=[0, 512], z=[0, 32])
NOISE = np.random.default_rng(2).integers(0, 256, (32, 512, 1024), dtype=np.uint8)


def cuboids(task: dict[str, Any]) -> dict[str, bytes]:
    return {
        one["key"]: blosc.compress(
            np.ascontiguousarray(NOISE[one["z"] : one["z"] + 16, :512, one["x"] : one["x"] + 512]), typesize=1
        )
        for one in task["cuboids"]
    }


async def test_a_volume_is_stored_voxel_for_voxel(client: Client, boss: LocalBoss) -> None:
    job = await client.start(CHUNK)
    assert await job.upload(cuboids) == 1
    await client.finish(job.id)
    assert np.array_equal(await client.cutout("uint8", x=(0, 1024), y=(0, 512), z=(0, 32)), NOISE)
    assert [one.key for one in boss.objects(CUBOID_BUCKET)] == [
        f"{one.key}&0" for one in boss.objects(INGEST_BUCKET)
    ]
    assert all(one.tagged for one in boss.objects(INGEST_BUCKET))


async def test_completion_waits_for_the_last_import(client: Client, boss: LocalBoss) -> None:
    hold = Hold()
    boss.faults.add("server.cuboid_import", hold)
    job = await client.start(CHUNK)
    await job.upload(cuboids)
    await hold.arrived.wait()
    while (await client.complete(job.id))[1] != {"job_status": 5}:
        pass
    assert boss.objects(CUBOID_BUCKET) == []
    hold.release()
    await client.finish(job.id)
    assert len(boss.objects(CUBOID_BUCKET)) == 4


@pytest.mark.parametrize("metadata", [{}, {"metadata": "{}"}, {"metadata": "rubbish"}])
async def test_a_cuboid_that_names_no_job_never_becomes_visible(
    client: Client, boss: LocalBoss, metadata: dict[str, str]
) -> None:
    job = await client.start(CHUNK)
    async with job.clients() as (sqs, s3):
        (message,) = await job.receive(sqs)
        for key, body in cuboids(json.loads(message["Body"])).items():
            await s3.put_object(Bucket=job.bucket, Key=key, Body=body, Metadata=metadata)
        await sqs.delete_message(QueueUrl=job.upload_queue, ReceiptHandle=message["ReceiptHandle"])
    await client.finish(job.id)
    assert len(boss.objects(INGEST_BUCKET)) == 4
    assert boss.objects(CUBOID_BUCKET) == []


async def test_a_lost_import_is_noticed_by_nobody(client: Client, boss: LocalBoss) -> None:
    boss.faults.add("server.cuboid_import", Lose())
    job = await client.start(CHUNK)
    await job.upload(cuboids)
    await client.finish(job.id)
    assert len(boss.objects(CUBOID_BUCKET)) == 3


@pytest.mark.parametrize("body", [blosc.compress(b"too short" * 100), b"no blosc buffer"])
async def test_a_buffer_that_is_no_cuboid_fails_only_when_it_is_read(client: Client, body: bytes) -> None:
    job = await client.start(CHUNK)
    await job.upload(lambda task: {one["key"]: body for one in task["cuboids"]})
    await client.finish(job.id)
    status, answer = await client.ask(
        "GET", "/v1/cutout/col/exp/ch/0/0:10/0:10/0:10/", Accept="application/blosc"
    )
    assert (status, answer["code"]) == (400, 9001)
    assert not (await client.cutout("uint8", x=(2048, 2050), y=(0, 2), z=(0, 2))).any()


@pytest.mark.parametrize("dtype", ["uint16", "uint64"])
async def test_wider_voxels_come_back_as_they_were(client: Client, boss: LocalBoss, dtype: str) -> None:
    await boss.prepare(
        **NAMES | {"channel": dtype}, datatype=dtype, extent={"x": [0, 512], "y": [0, 512], "z": [0, 16]}
    )
    volume = np.random.default_rng(3).integers(0, np.iinfo(dtype).max, (16, 512, 512), dtype=dtype)
    config = job_file(chunk=(512, 512, 16), x=[0, 512], y=[0, 512], z=[0, 16]) | {
        "database": NAMES | {"channel": dtype}
    }
    job = await client.start(config)
    await job.upload(
        lambda task: {task["cuboids"][0]["key"]: blosc.compress(volume, typesize=volume.itemsize)}
    )
    await client.finish(job.id)
    found = await client.cutout(dtype, x=(5, 500), y=(0, 512), z=(1, 16), channel=dtype)
    assert np.array_equal(found, volume[1:16, :, 5:500])
