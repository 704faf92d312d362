"""What becomes of tiles: where they land, what is lost, and how verification finds out."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.faults import Lose
from boss_ingest.local.settings import CUBOID_BUCKET, TILE_BUCKET
from tests.local_jobs import NAMES, Client, job_file, png, slice_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from boss_ingest.local.settings import Settings
    from tests.local_jobs import Joined

NOISE = np.random.default_rng(1).integers(1, 256, (20, 512, 1024), dtype=np.uint8)
STACK = job_file(tile=(512, 512), x=[0, 1024], y=[0, 512], z=[0, 20])
ONE_CHUNK = job_file(tile=(512, 512), x=[0, 512], y=[0, 512], z=[0, 2])


def noise_tile(task: dict[str, Any]) -> bytes:
    column = int(task["tile_key"].split("&")[-4])
    return png(NOISE[slice_number(task), :, column * 512 : (column + 1) * 512])


async def stored(
    client: Client, *, x: tuple[int, int] = (0, 1024), z: tuple[int, int] = (0, 20)
) -> NDArray[Any]:
    return await client.cutout("uint8", x=x, y=(0, 512), z=z)


async def state(client: Client, job: Joined) -> int:
    return int((await client.ask("GET", f"/v1/ingest/{job.id}/status"))[1]["status"])


async def until(client: Client, job: Joined, *states: int) -> int:
    """Complete until the job is in one of these states again."""
    while True:
        status, _ = await client.complete(job.id)
        if status == 204 or (now := await state(client, job)) in states:
            return 2 if status == 204 else now


async def tried_again(client: Client, boss: LocalBoss, job: Joined) -> None:
    """Complete until verification has found a chunk that was not ingested, and had it tried once more."""
    while boss.faults.calls["server.tile_ingest"] < 2:
        status, answer = await client.complete(job.id)
        assert status != 204, answer


async def test_a_stack_is_stored_voxel_for_voxel(client: Client, boss: LocalBoss) -> None:
    job = await client.start(STACK)
    assert await job.upload(noise_tile) == 40
    await client.finish(job.id)
    assert np.array_equal(await stored(client), NOISE)
    assert all(tile.tagged for tile in boss.objects(TILE_BUCKET))
    assert len(boss.objects(CUBOID_BUCKET)) == 4


async def test_a_finished_tile_job_answers_400_to_a_join(client: Client) -> None:
    job = await client.start(ONE_CHUNK)
    await job.upload(noise_tile)
    await client.finish(job.id)
    status, body = await client.ask("GET", f"/v1/ingest/{job.id}")
    assert (status, body["code"], "NonExistentQueue" in body["message"]) == (400, 9001, True)


async def test_a_tile_lands_where_the_width_of_its_image_says(client: Client) -> None:
    """796 wide, index 1: at 1024, not at 796."""
    job = await client.start(job_file(tile=(796, 512), x=[0, 1592], y=[0, 512], z=[0, 1]))
    await job.upload(
        lambda task: png(np.full((512, 796), 1 + int(task["tile_key"].split("&")[-4]), np.uint8))
    )
    await client.finish(job.id)
    row = (await stored(client, x=(0, 2048), z=(0, 1)))[0, 0]
    assert list(row[[0, 795, 796, 1023, 1024, 1819, 1820]]) == [1, 1, 0, 0, 2, 2, 0]


async def test_slices_are_placed_by_rank(client: Client) -> None:
    """z 5 to 7 become the first slices of the cuboid."""
    job = await client.start(job_file(tile=(512, 512), x=[0, 512], y=[0, 512], z=[5, 7]))
    await job.upload(lambda task: png(np.full((512, 512), slice_number(task), np.uint8)))
    assert await until(client, job, 1) in (1, 2)
    assert list((await stored(client, x=(0, 512), z=(0, 8)))[:, 0, 0]) == [5, 6, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("damage", [b"", b"no image", png(NOISE[0, :, :512])[:2000]])
async def test_a_bad_tile_becomes_black_and_the_job_completes(
    client: Client, boss: LocalBoss, damage: bytes
) -> None:
    job = await client.start(ONE_CHUNK)
    await job.upload(lambda task: damage if slice_number(task) == 1 else noise_tile(task))
    await client.finish(job.id)
    volume = await stored(client, x=(0, 512), z=(0, 2))
    assert np.array_equal(volume[0], NOISE[0, :, :512])
    assert not volume[1].any()


def colour() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (512, 512), (1, 2, 3)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("odd", [colour(), png(np.ones((512, 400), np.uint8))])
async def test_colour_and_unequal_slices_are_never_stored(
    client: Client, boss: LocalBoss, odd: bytes
) -> None:
    job = await client.start(ONE_CHUNK)
    await job.upload(lambda task: odd if slice_number(task) == 1 else noise_tile(task))
    await tried_again(client, boss, job)
    assert boss.objects(CUBOID_BUCKET) == []


async def test_a_wider_dtype_wraps(client: Client) -> None:
    job = await client.start(job_file(tile=(512, 512), x=[0, 512], y=[0, 512], z=[0, 1]))
    await job.upload(lambda _: png(np.full((512, 512), 60001, np.uint16)))
    await client.finish(job.id)
    assert (await stored(client, x=(0, 512), z=(0, 1)))[0, 0, 0] == 97


async def test_a_tile_without_its_mandatory_metadata_loses_the_chunk(client: Client, boss: LocalBoss) -> None:
    job = await client.start(job_file(tile=(512, 512), x=[0, 512], y=[0, 512], z=[0, 1]))
    async with job.clients() as (sqs, s3):
        (message,) = await job.receive(sqs)
        task = json.loads(message["Body"])
        await s3.put_object(
            Bucket=job.bucket, Key=task["tile_key"], Body=noise_tile(task), Metadata={"message_id": "m"}
        )
        await job.index(sqs, task)
        await sqs.delete_message(QueueUrl=job.upload_queue, ReceiptHandle=message["ReceiptHandle"])
    await tried_again(client, boss, job)
    assert boss.objects(CUBOID_BUCKET) == []


async def test_a_lost_index_message_is_found_and_its_tile_asked_for_again(
    client: Client, boss: LocalBoss
) -> None:
    boss.faults.add("server.tile_uploaded", Lose(), times=2)
    job = await client.start(STACK)
    await job.upload(noise_tile)
    assert await until(client, job, 1) == 1
    assert await job.upload(noise_tile) == 2
    await client.finish(job.id)
    assert np.array_equal(await stored(client), NOISE)


async def test_an_uningested_chunk_is_found_and_ingested(client: Client, boss: LocalBoss) -> None:
    boss.faults.add("server.tile_ingest", Lose())
    job = await client.start(STACK)
    await job.upload(noise_tile)
    await client.finish(job.id)
    assert np.array_equal(await stored(client), NOISE)
    assert boss.faults.calls["server.tile_ingest"] == 5


async def test_index_messages_lost_at_random_are_all_found(settings: Settings) -> None:
    async with LocalBoss(replace(settings, lost_index_rate=0.3, seed=5)) as boss, Client(boss) as client:
        await boss.prepare(**NAMES, datatype="uint8", extent={"x": [0, 1024], "y": [0, 512], "z": [0, 20]})
        job = await client.start(STACK)
        passes = 0
        while await job.upload(noise_tile):
            passes += 1
            if await until(client, job, 1) == 2:
                break
        assert passes > 1
        assert np.array_equal(await stored(client), NOISE)


async def test_a_chunk_none_of_whose_tiles_were_announced_is_not_missed(client: Client) -> None:
    """The blind spot that clients must not walk into."""
    job = await client.start(ONE_CHUNK)
    async with job.clients() as (sqs, _):
        for message in await job.receive(sqs):
            await sqs.delete_message(QueueUrl=job.upload_queue, ReceiptHandle=message["ReceiptHandle"])
    await client.finish(job.id)
    assert not (await stored(client, x=(0, 512), z=(0, 2))).any()


async def test_an_index_message_after_the_chunk_was_stored_costs_another_pass(client: Client) -> None:
    job = await client.start(ONE_CHUNK)
    tasks: list[dict[str, Any]] = []

    def remembered(task: dict[str, Any]) -> bytes:
        tasks.append(task)
        return noise_tile(task)

    await job.upload(remembered)
    while await boss_is_busy(client):
        pass
    async with job.clients() as (sqs, _):
        await job.index(sqs, tasks[0])
    assert await until(client, job, 1) == 1
    assert await job.upload(noise_tile) == 1
    await client.finish(job.id)
    assert np.array_equal(await stored(client, x=(0, 512), z=(0, 2)), NOISE[:2, :, :512])


async def boss_is_busy(client: Client) -> bool:
    return not (await stored(client, x=(0, 512), z=(0, 1))).any()


async def test_messages_that_are_none_do_no_harm(client: Client) -> None:
    job = await client.start(ONE_CHUNK)
    async with job.clients() as (sqs, _):
        for body in (
            "not json",
            "[]",
            '{"chunk_key": "x"}',
            '{"chunk_key": "a&b", "tile_key": "", "ingest_job": 1}',
        ):
            await sqs.send_message(QueueUrl=job.index_queue, MessageBody=body)
    await job.upload(noise_tile)
    await client.finish(job.id)
    assert np.array_equal(await stored(client, x=(0, 512), z=(0, 2)), NOISE[:2, :, :512])
