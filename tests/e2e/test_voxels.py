"""Whatever the source, the job file and the plugin: what was on the disk is in the Boss afterwards."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from tests.volumes import Source, chunk_job, pattern, slices_source, tile_job

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.boss import LocalBoss
    from tests.command import Ended, Machine


async def ingest(
    machine: Machine, boss: LocalBoss, source: Source, channel: str = "ch", *, schema: str = "0.2"
) -> Ended:
    """Make the channel, run the job file, and compare every voxel."""
    await source.make_channel(boss, channel)
    config = source.write_job(machine.cwd / f"{channel}.json", boss, channel, schema=schema)
    ended = await machine.run("run", config, "--yes", "--workers", 2)
    assert ended.code == 0, ended.all
    await source.assert_stored(boss, channel)
    return ended


async def test_a_stack_with_a_partial_edge_on_every_axis(
    machine: Machine, boss: LocalBoss, slices: Source
) -> None:
    ended = await ingest(machine, boss, slices)
    assert "72 tiles of 512 × 512" in ended.err
    assert "col/exp/ch (image, uint8)" in ended.err
    assert ended.out.splitlines()[-1] == "job 1: the job is complete"


async def test_16_bit_slices_under_schema_01_and_the_class_names_of_the_original_client(
    machine: Machine, boss: LocalBoss, tmp_path: Path
) -> None:
    volume = pattern((17, 530, 512), "uint16")
    source = slices_source(tmp_path / "deep", volume, 512, package="ingestclient.plugins")
    await ingest(machine, boss, source, schema="0.1")


async def test_a_volume_that_starts_in_the_middle_of_a_chunk(
    machine: Machine, boss: LocalBoss, volume: Source
) -> None:
    ended = await ingest(machine, boss, volume)
    assert "8 chunks of 1024 × 512 × 32, 14 cuboids" in ended.err


TILE_PLUGIN = '''
"""What a lab wrote for the original client: one image per slice and time, cut into tiles."""
import io
from ingestclient.plugins.path import PathProcessor
from ingestclient.plugins.tile import TileProcessor
from PIL import Image


class ByTime(PathProcessor):
    def setup(self, parameters):
        self.parameters = parameters

    def process(self, x_index, y_index, z_index, t_index=None):
        return f"{self.parameters['folder']}/t{t_index}_z{z_index}.png"


class Cutter(TileProcessor):
    def setup(self, parameters):
        self.size = parameters["ingest_job"]["tile_size"]

    def process(self, file_path, x_index, y_index, z_index, t_index=0):
        image = Image.open(file_path)
        left, top = x_index * self.size["x"], y_index * self.size["y"]
        box = left, top, min(left + self.size["x"], image.width), min(top + self.size["y"], image.height)
        body = io.BytesIO()
        image.crop(box).save(body, "TIFF")
        return body
'''

CHUNK_PLUGIN = '''
"""What a lab wrote for the original client: chunks of a numpy file, axes as the params say."""
import numpy as np
from ingestclient.plugins import chunk
from ingestclient.plugins.path import PathProcessor


class File(PathProcessor):
    def setup(self, parameters):
        self.parameters = parameters

    def process(self, x_index, y_index, z_index, t_index=None):
        return self.parameters["file"]


class Chunks(chunk.ChunkProcessor):
    def setup(self, parameters):
        self.size = parameters["ingest_job"]["chunk_size"]
        self.order = parameters["order"]

    def process(self, file_path, x_index, y_index, z_index):
        corner = {"x": x_index, "y": y_index, "z": z_index}
        z, y, x = (slice(corner[axis] * self.size[axis], (corner[axis] + 1) * self.size[axis]) for axis in "zyx")
        part = np.load(file_path, mmap_mode="r")[z, y, x]
        if "T" in self.order:
            part = part[np.newaxis]
        if self.order.startswith("X"):
            part = part.T
        return part, getattr(chunk, f"{self.order}_ORDER")
'''


async def test_time_samples_through_a_plugin_of_the_original_client_in_the_working_directory(
    machine: Machine, boss: LocalBoss
) -> None:
    from PIL import Image

    series = pattern((3, 16, 512, 640))
    (machine.cwd / "series").mkdir()
    for t, sample in enumerate(series):
        for z, image in enumerate(sample):
            Image.fromarray(image).save(machine.cwd / f"series/t{t}_z{z}.png", compress_level=1)
    plugin = machine.cwd / "lab_tiles.py"
    plugin.write_text(TILE_PLUGIN)
    client = {
        "path_processor": {"class": "lab_tiles.ByTime", "params": {"folder": "series"}},
        "tile_processor": {"class": "lab_tiles.Cutter", "params": {}},
    }
    ended = await ingest(machine, boss, Source(series, client, tile_job(series, 512)))
    assert "96 tiles of 512 × 512" in ended.err
    assert f"code from {plugin}" in ended.err


async def test_chunks_in_every_order_of_axes_through_a_plugin_on_pythonpath(
    machine: Machine, boss: LocalBoss, tmp_path: Path
) -> None:
    import numpy as np

    library = tmp_path / "library"
    library.mkdir()
    (library / "lab_chunks.py").write_text(CHUNK_PLUGIN)
    machine.env["PYTHONPATH"] = str(library)
    volume = pattern((20, 520, 700), "uint16")
    np.save(tmp_path / "volume.npy", volume)
    orders = ("XYZ", "ZYX", "XYZT", "TZYX")
    async with asyncio.TaskGroup() as group:
        for order in orders:
            client = {
                "path_processor": {"class": "lab_chunks.File", "params": {"file": str(tmp_path / "volume.npy")}},
                "chunk_processor": {"class": "lab_chunks.Chunks", "params": {"order": order}},
            }  # fmt: skip
            source = Source(volume, client, chunk_job(volume, (512, 512, 16)))
            group.create_task(ingest(machine, boss, source, order))


async def test_labels_of_64_bits(machine: Machine, boss: LocalBoss, tmp_path: Path) -> None:
    from tests.volumes import zarr_source

    labels = pattern((18, 512, 520), "uint64")
    await ingest(machine, boss, zarr_source(tmp_path / "labels.zarr", labels, (1024, 512, 16)))


async def test_plugin_parameters_never_reach_the_boss(
    machine: Machine, boss: LocalBoss, slices: Source
) -> None:
    from boss_ingest.local.faults import Delay

    bodies: list[object] = []

    def overhear(call: object) -> bool:
        bodies.append(getattr(call, "params", None))
        return False

    boss.faults.add("rest.create", Delay(0.0), match=overhear)
    await slices.make_channel(boss)
    config = slices.write_job(machine.cwd / "job.json", boss)
    assert (await machine.run("run", config, "--yes", "--manual-complete")).code == 0
    (body,) = bodies
    assert slices.client["path_processor"]["params"]["root_dir"] not in json.dumps(body)
