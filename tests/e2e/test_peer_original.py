"""The original client, unchanged and as published, does whole jobs against the local Boss."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.settings import Settings
from tests import peers
from tests.local_jobs import NAMES, Client, job_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.peer
CHUNK_PLUGIN = '''
"""A classic chunk plugin as a lab would write one."""
import numpy as np
from ingestclient.plugins.chunk import ZYX_ORDER, ChunkProcessor
from ingestclient.plugins.path import PathProcessor

class Nowhere(PathProcessor):
    def setup(self, parameters):
        self.parameters = parameters

    def process(self, x_index, y_index, z_index, t_index=None):
        return ""

class FromFile(ChunkProcessor):
    def setup(self, parameters):
        self.parameters = parameters
        self.volume = np.load(parameters["file"])

    def process(self, file_path, x_index, y_index, z_index):
        size = self.parameters["ingest_job"]["chunk_size"]
        x, y, z = x_index * size["x"], y_index * size["y"], z_index * size["z"]
        return self.volume[z:z + size["z"], y:y + size["y"], x:x + size["x"]], ZYX_ORDER
'''


async def test_a_stack_of_images_and_a_volume_arrive_voxel_for_voxel(
    tmp_path: Path,
) -> None:
    """Both jobs at once: the original sleeps most of its time."""
    program = peers.program("boss-ingest")
    random = np.random.default_rng(7)
    slices = random.integers(0, 256, (5, 512, 1024), dtype=np.uint8)
    volume = random.integers(0, 60000, (16, 512, 1024), dtype=np.uint16)
    async with LocalBoss(Settings(dir=tmp_path / "boss")) as boss, Client(boss) as client:
        extent = {"x": [0, 1024], "y": [0, 512], "z": [0, 16]}
        await boss.prepare(**NAMES, datatype="uint8", extent=extent)
        await boss.prepare(**NAMES | {"channel": "volume"}, datatype="uint16", extent=extent)
        tiles = stack_of_images(tmp_path, boss, slices)
        chunks = chunk_job(tmp_path, boss, volume)
        env = {
            "AWS_ENDPOINT_URL": boss.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONPATH": str(tmp_path),
            "PYTHONWARNINGS": "ignore",
        }
        async with asyncio.TaskGroup() as both:
            for config in (tiles, chunks):
                both.create_task(
                    peers.run(
                        program,
                        "--force",
                        "-a",
                        boss.token,
                        config,
                        env=env,
                        cwd=config.parent,
                    )
                )
        _, listed = await client.ask("GET", "/v1/ingest/")
        assert [job["status"] for job in listed["ingest_jobs"]] == [2, 2]
        stored = await client.cutout("uint8", x=(0, 1024), y=(0, 512), z=(0, 5))
        assert np.array_equal(stored, slices)
        stored = await client.cutout("uint16", x=(0, 1024), y=(0, 512), z=(0, 16), channel="volume")
        assert np.array_equal(stored, volume)


def stack_of_images(directory: Path, boss: LocalBoss, slices: np.ndarray[Any, Any]) -> Path:
    work = directory / "tiles"
    work.mkdir()
    for z, image in enumerate(slices):
        for x in range(2):
            Image.fromarray(image[:, x * 512 : (x + 1) * 512]).save(work / f"s{z:03}_{x}.png")
    config = addressed(job_file(tile=(512, 512), x=[0, 1024], y=[0, 512], z=[0, 5]), boss)
    config["client"]["path_processor"] = {
        "class": "ingestclient.plugins.stack.ZindexStackPathProcessor",
        "params": {"root_dir": str(work), "extension": "png", "base_filename": "s<p:3>_<x>"},
    }
    config["client"]["tile_processor"] = {
        "class": "ingestclient.plugins.stack.ZindexStackTileProcessor",
        "params": {"extension": "png", "filesystem": "local"},
    }
    return written(work, config)


def chunk_job(directory: Path, boss: LocalBoss, volume: np.ndarray[Any, Any]) -> Path:
    work = directory / "chunks"
    work.mkdir()
    (directory / "lab_plugin.py").write_text(CHUNK_PLUGIN)
    np.save(work / "volume.npy", volume)
    config = addressed(job_file(chunk=(512, 512, 16), x=[0, 1024], y=[0, 512], z=[0, 16]), boss)
    config["database"] = NAMES | {"channel": "volume"}
    config["client"]["path_processor"] = {"class": "lab_plugin.Nowhere", "params": {}}
    config["client"]["chunk_processor"] = {
        "class": "lab_plugin.FromFile",
        "params": {"file": str(work / "volume.npy")},
    }
    return written(work, config)


def addressed(config: dict[str, Any], boss: LocalBoss) -> dict[str, Any]:
    config["client"]["backend"] |= {"host": boss.url.removeprefix("http://"), "protocol": "http"}
    return config


def written(directory: Path, config: dict[str, Any]) -> Path:
    path = directory / "job.json"
    path.write_text(json.dumps(config))
    return path
