"""A local Boss forgets nothing: stopped, killed, or started on another port."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from boss_ingest.errors import UsageError
from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.faults import Hold
from boss_ingest.local.settings import CUBOID_BUCKET, Settings
from tests.local_jobs import NAMES, Client, job_file, png, slice_number

if TYPE_CHECKING:
    from pathlib import Path

EXTENT = {"x": [0, 1024], "y": [0, 512], "z": [0, 20]}
STACK = job_file(tile=(512, 512), **EXTENT)
SERVER = """
import asyncio, sys
from pathlib import Path
from boss_ingest.local.serve import serve
from boss_ingest.local.settings import Settings
settings = Settings(dir=Path(sys.argv[1]), populate_s=0.0, quiet_period_s=0.0)
asyncio.run(serve(settings, ready=lambda url: print(url, flush=True)))
"""


def tile(task: dict[str, Any]) -> bytes:
    return png(np.full((512, 512), 1 + slice_number(task), np.uint8))


async def test_a_job_goes_on_after_a_restart_on_another_port(settings: Settings) -> None:
    async with LocalBoss(settings) as boss, Client(boss) as client:
        await boss.prepare(**NAMES, datatype="uint8", extent=EXTENT)
        token, job = boss.token, await client.start(STACK)
        async with job.clients() as (sqs, _):
            in_flight = await job.receive(sqs)
        old_url = boss.url
    async with LocalBoss(settings) as boss, Client(boss) as client:
        assert boss.token == token
        again = await client.join(job.id)
        assert boss.url != old_url
        assert again.upload_queue.startswith(boss.url)
        assert boss.queue_depth(f"local-boss-upload-{job.id}").in_flight == len(in_flight) == 10
        async with again.clients() as (sqs, s3):
            for message in in_flight:
                task = json.loads(message["Body"])
                await again.put_tile(s3, message, tile(task))
                await again.index(sqs, task)
                await sqs.delete_message(QueueUrl=again.upload_queue, ReceiptHandle=message["ReceiptHandle"])
        assert await again.upload(tile) == 30
        await client.finish(job.id)
        volume = await client.cutout("uint8", x=(0, 1024), y=(0, 512), z=(0, 20))
    assert np.array_equal(volume[:, 0, 0], np.arange(1, 21))


async def test_processing_that_was_cut_off_is_taken_up_again(settings: Settings) -> None:
    settings = replace(settings, processing_threads=4)  # one for each chunk, so that the queues look empty
    async with LocalBoss(settings) as boss, Client(boss) as client:
        await boss.prepare(**NAMES, datatype="uint8", extent=EXTENT)
        hold = Hold()
        boss.faults.add("server.tile_ingest", hold, times=None)
        job = await client.start(STACK)
        await job.upload(tile)
        await hold.arrived.wait()
        while (await client.complete(job.id))[1] != {"job_status": 5}:
            pass
        assert boss.objects(CUBOID_BUCKET) == []
    async with LocalBoss(settings) as boss, Client(boss) as client:
        await client.finish(job.id)
        assert len(boss.objects(CUBOID_BUCKET)) == 4


async def test_a_killed_server_keeps_what_it_confirmed(tmp_path: Path) -> None:
    directory = tmp_path / "boss"
    async with LocalBoss(Settings(dir=directory)) as boss:
        await boss.prepare(**NAMES, datatype="uint8", extent=EXTENT)
    process, url = await started(directory)
    done: set[str] = set()
    async with Client(Remote(url, boss.token)) as client:  # type: ignore[arg-type]  # only url and token_for
        job = await client.start(STACK)
        async with job.clients() as (sqs, s3):
            for message in await job.receive(sqs):
                task = json.loads(message["Body"])
                await job.put_tile(s3, message, tile(task))
                await job.index(sqs, task)
                await sqs.delete_message(QueueUrl=job.upload_queue, ReceiptHandle=message["ReceiptHandle"])
                done.add(task["tile_key"])
    process.kill()
    await process.wait()
    async with LocalBoss(Settings(dir=directory, quiet_period_s=0.0)) as boss, Client(boss) as client:
        again = await client.join(job.id)
        seen: set[str] = set()

        def remembered(task: dict[str, Any]) -> bytes:
            seen.add(task["tile_key"])
            return tile(task)

        assert await again.upload(remembered) == 30
        assert not seen & done
        await client.finish(job.id)
        volume = await client.cutout("uint8", x=(0, 1024), y=(0, 512), z=(0, 20))
    assert np.array_equal(volume[:, 0, 1023], np.arange(1, 21))


async def test_a_served_boss_stops_when_told_to(tmp_path: Path) -> None:
    process, _ = await started(tmp_path / "boss")
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 60) == 0


async def test_two_bosses_do_not_share_a_directory(settings: Settings) -> None:
    async with LocalBoss(settings):
        with pytest.raises(UsageError, match="another local Boss is running"):
            await LocalBoss(settings).__aenter__()


async def test_a_port_in_use_is_said_so(settings: Settings, tmp_path: Path) -> None:
    async with LocalBoss(settings) as boss:
        port = int(boss.url.rpartition(":")[2])
        with pytest.raises(UsageError, match="cannot listen"):
            await LocalBoss(replace(settings, dir=tmp_path / "other", port=port)).__aenter__()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", ""])
def test_it_listens_to_this_machine_only(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="not a loopback address"):
        Settings(dir=tmp_path, host=host)


async def test_the_token_file_is_for_its_owner(settings: Settings) -> None:
    async with LocalBoss(settings) as boss:
        path = settings.dir / "token.json"
        assert json.loads(path.read_text()) == {"token": boss.token}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


class Remote:
    """What a Client needs to know of a local Boss in another process."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._token = token

    def token_for(self, user: str) -> str:
        return self._token


async def started(directory: Path) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVER, directory, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), 300)
    return process, line.decode().strip()
