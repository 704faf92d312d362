"""intern, the Boss's own library for reading, reads from the local Boss what was ingested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import blosc
import numpy as np
import pytest

from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.settings import Settings
from tests import peers
from tests.local_jobs import NAMES, Client, job_file, png, slice_number

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peer
READER = """
import sys
import numpy as np
from intern.remote.boss import BossRemote
from intern.resource.boss.resource import ChannelResource

host, token, channel, target = sys.argv[1:]
remote = BossRemote({"protocol": "http", "host": host, "token": token})
found = remote.get_project(ChannelResource(channel, "col", "exp", "image", datatype="uint8"))
volume = remote.get_cutout(found, 0, [100, 1000], [3, 500], [2, 18])
np.save(target, volume)
print(found.datatype, found.name, remote.list_channels("col", "exp"))
"""


async def read(boss: LocalBoss, directory: Path, channel: str) -> tuple[np.ndarray, str]:
    script = directory / "reader.py"
    script.write_text(READER)
    target = directory / f"{channel}.npy"
    said = await peers.run(
        peers.program("python"),
        "-W",
        "ignore",
        script,
        boss.url.removeprefix("http://"),
        boss.token,
        channel,
        target,
        cwd=directory,
    )
    return np.load(target), said


async def test_intern_reads_the_voxels_of_a_tile_job(tmp_path: Path) -> None:
    source = np.random.default_rng(3).integers(0, 256, (20, 512, 1024), dtype=np.uint8)
    settings = Settings(dir=tmp_path / "boss", quiet_period_s=0.01, populate_s=0.0)
    async with LocalBoss(settings) as boss, Client(boss) as client:
        await boss.prepare(**NAMES, datatype="uint8", extent={"x": [0, 1024], "y": [0, 512], "z": [0, 20]})
        job = await client.start(job_file(tile=(512, 512), x=[0, 1024], y=[0, 512], z=[0, 20]))

        def tile(task: dict[str, str]) -> bytes:
            column = int(task["tile_key"].split("&")[-4])
            return png(source[slice_number(task), :, column * 512 : (column + 1) * 512])

        assert await job.upload(tile) == 40
        await client.finish(job.id)
        volume, said = await read(boss, tmp_path, "ch")
    assert np.array_equal(volume, source[2:18, 3:500, 100:1000])
    assert "uint8 ch ['ch']" in said


async def test_intern_reads_the_voxels_of_a_volumetric_job(tmp_path: Path) -> None:
    source = np.random.default_rng(4).integers(0, 1 << 40, (32, 512, 1024), dtype=np.uint64)
    settings = Settings(dir=tmp_path / "boss", quiet_period_s=0.01, populate_s=0.0)
    async with LocalBoss(settings) as boss, Client(boss) as client:
        await boss.prepare(
            **NAMES,
            datatype="uint64",
            extent={"x": [0, 1024], "y": [0, 512], "z": [0, 32]},
            channel_type="annotation",
        )
        job = await client.start(job_file(chunk=(1024, 512, 32), x=[0, 1024], y=[0, 512], z=[0, 32]))

        def cuboids(task: dict[str, list[dict[str, int]]]) -> dict[str, bytes]:
            return {
                one["key"]: blosc.compress(
                    np.ascontiguousarray(
                        source[one["z"] : one["z"] + 16, one["y"] : one["y"] + 512, one["x"] : one["x"] + 512]
                    ),
                    typesize=8,
                )
                for one in task["cuboids"]
            }

        assert await job.upload(cuboids) == 1
        await client.finish(job.id)
        volume, _ = await read(boss, tmp_path, "ch")
    assert np.array_equal(volume, source[2:18, 3:500, 100:1000])
