"""Whatever the source, the job file and the plugin: what was on the disk is in the Boss afterwards.

All jobs run at once, as most of their time is waiting; each test then looks at one of them.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pytest_asyncio
from PIL import Image

from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.faults import Delay
from boss_ingest.local.settings import Settings
from tests.command import Ended, Machine
from tests.volumes import Source, chunk_job, pattern, slices_source, tile_job, zarr_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from boss_ingest.local.faults import Call

pytestmark = pytest.mark.asyncio(loop_scope="module")

ORDERS = ("XYZ", "ZYX", "XYZT", "TZYX")
PLUGINS = Path(__file__).parent / "lab_plugins.py"


@dataclass(frozen=True)
class Ingested:
    """What became of every job, by the name of its channel, and what the Boss was sent to make them."""

    boss: LocalBoss
    sources: dict[str, Source]
    ends: dict[str, Ended]
    job_bodies: list[str]
    plugin: Path

    async def check(self, channel: str) -> str:
        """Fail unless the job is complete and every voxel is there; returns what was said."""
        assert self.ends[channel].code == 0, self.ends[channel].all
        await self.sources[channel].assert_stored(self.boss, channel)
        return self.ends[channel].err


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ingested(
    tmp_path_factory: pytest.TempPathFactory, slices: Source, volume: Source
) -> AsyncIterator[Ingested]:
    folder = tmp_path_factory.mktemp("voxels")
    deep = slices_source(
        folder / "deep", pattern((17, 530, 512), "uint16"), 512, package="ingestclient.plugins"
    )
    labels = zarr_source(folder / "labels.zarr", pattern((18, 512, 520), "uint64"), (1024, 512, 16))
    sources = {"slices": slices, "deep": deep, "volume": volume, "labels": labels}
    bodies: list[str] = []

    def overhear(call: Call) -> bool:
        bodies.append(json.dumps(call.params))
        return False

    async with (
        LocalBoss(Settings(dir=folder / "boss", populate_s=0.0, quiet_period_s=0.02)) as boss,
        Machine(folder / "machine", boss.token) as machine,
    ):
        boss.faults.add("rest.create", Delay(0.0), match=overhear)
        here = Path(shutil.copy(PLUGINS, machine.cwd / "here_plugins.py"))
        (folder / "library").mkdir()
        shutil.copy(PLUGINS, folder / "library/library_plugins.py")
        machine.env["PYTHONPATH"] = str(folder / "library")
        sources["series"] = series_source(machine.cwd)
        sources |= {order: numpy_source(folder, order) for order in ORDERS}
        slots = asyncio.Semaphore(4)

        async def run(channel: str, source: Source) -> Ended:
            await source.make_channel(boss, channel)
            schema = "0.1" if channel == "deep" else "0.2"
            config = source.write_job(machine.cwd / f"{channel}.json", boss, channel, schema=schema)
            async with slots:
                return await machine.run("run", config, "--yes", "--workers", 1)

        ends = await asyncio.gather(*(run(channel, source) for channel, source in sources.items()))
        yield Ingested(boss, sources, dict(zip(sources, ends, strict=True)), bodies, here)


def series_source(cwd: Path) -> Source:
    """Three time samples of one image a slice, read by a plugin in the working directory."""
    series = pattern((3, 16, 512, 640))
    (cwd / "series").mkdir()
    for t, sample in enumerate(series):
        for z, image in enumerate(sample):
            Image.fromarray(image).save(cwd / f"series/t{t}_z{z}.png", compress_level=1)
    client = {
        "path_processor": {"class": "here_plugins.ByTime", "params": {"folder": "series"}},
        "tile_processor": {"class": "here_plugins.Cutter", "params": {}},
    }
    return Source(series, client, tile_job(series, 512))


def numpy_source(folder: Path, order: str) -> Source:
    """Chunks of a numpy file in one order of axes, read by a plugin on PYTHONPATH."""
    volume = pattern((20, 520, 700), "uint16")
    np.save(folder / "volume.npy", volume)
    client = {
        "path_processor": {
            "class": "library_plugins.OneFile", "params": {"file": str(folder / "volume.npy")}
        },
        "chunk_processor": {"class": "library_plugins.Chunks", "params": {"order": order}},
    }  # fmt: skip
    return Source(volume, client, chunk_job(volume, (512, 512, 16)))


async def test_a_stack_with_a_partial_edge_on_every_axis(ingested: Ingested) -> None:
    said = await ingested.check("slices")
    assert "72 tiles of 512 × 512" in said
    assert "col/exp/slices (image, uint8)" in said
    assert ingested.ends["slices"].out.endswith(": the job is complete\n")


async def test_16_bit_slices_under_schema_01_and_the_class_names_of_the_original_client(
    ingested: Ingested,
) -> None:
    assert "34 tiles byte for byte as they were" not in await ingested.check("deep")


async def test_a_volume_that_starts_in_the_middle_of_a_chunk(ingested: Ingested) -> None:
    said = await ingested.check("volume")
    assert "8 chunks of 1024 × 512 × 32, 14 cuboids" in said


async def test_labels_of_64_bits(ingested: Ingested) -> None:
    await ingested.check("labels")


async def test_time_samples_through_a_plugin_of_the_original_client_in_the_working_directory(
    ingested: Ingested,
) -> None:
    said = await ingested.check("series")
    assert "96 tiles of 512 × 512" in said
    assert f"code from {ingested.plugin}" in said


@pytest.mark.parametrize("order", ORDERS)
async def test_chunks_in_every_order_of_axes_through_a_plugin_on_pythonpath(
    ingested: Ingested, order: str
) -> None:
    assert "library/library_plugins.py" in await ingested.check(order)


async def test_plugin_parameters_never_reach_the_boss(ingested: Ingested) -> None:
    assert len(ingested.job_bodies) == len(ingested.sources)
    for body in ingested.job_bodies:
        client = json.loads(body)["client"]
        processors = [section for name, section in client.items() if name.endswith("_processor")]
        assert len(processors) == 2
        assert all(section["params"] == {} for section in processors)
