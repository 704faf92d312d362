"""A lab's own plugins, written for the original client, through the whole engine, bad habits and all."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from boss_ingest.local.settings import TILE_BUCKET
from tests.volumes import Source, chunk_job, pattern, tile_job

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.command import Ended, Machine

PACKAGE = "lab_volume"
FIXTURE = Path(__file__).parents[1] / "plugins_fixture"
COLUMNS, TILE = 600, 512
SLICES = pattern((6, 520, COLUMNS))
VOLUME = pattern((17, 520, 600), "uint16")


@pytest.fixture
def lab(machine: Machine, tmp_path: Path) -> Path:
    """The package on PYTHONPATH, and the lab's data."""
    machine.env["PYTHONPATH"] = str(FIXTURE)
    for z, image in enumerate(SLICES):
        image.tofile(tmp_path / f"{z}.raw")
    np.save(tmp_path / "volume.npy", VOLUME)
    return tmp_path


def tiles(lab: Path, processor: str, **params: Any) -> Source:
    client = {
        "path_processor": {"class": f"{PACKAGE}.paths.SlicePath", "params": {"root": str(lab)}},
        "tile_processor": {
            "class": f"{PACKAGE}.tiles.{processor}",
            "params": {"columns": COLUMNS, **params},
        },
    }
    return Source(SLICES, client, tile_job(SLICES, TILE))


def chunks(lab: Path, processor: str) -> Source:
    client = {
        "path_processor": {
            "class": f"{PACKAGE}.paths.VolumePath",
            "params": {"file": str(lab / "volume.npy")},
        },
        "chunk_processor": {"class": f"{PACKAGE}.chunks.{processor}", "params": {}},
    }
    return Source(VOLUME, client, chunk_job(VOLUME, (512, 512, 16)))


async def run(
    machine: Machine, boss: LocalBoss, source: Source, channel: str, *options: object, workers: int = 1
) -> Ended:
    await source.make_channel(boss, channel)
    config = source.write_job(machine.cwd / f"{channel}.json", boss, channel)
    return await machine.run("run", config, "--yes", "--workers", workers, *options)


async def test_those_that_keep_handles_pop_ingest_job_or_take_their_time(
    machine: Machine, boss: LocalBoss, lab: Path
) -> None:
    sources = {
        "handles": tiles(lab, "KeepsHandles"),
        "popping": tiles(lab, "PopsJob"),
        "slow": tiles(lab, "Slow", seconds=0.1),
    }
    ends = await asyncio.gather(*(run(machine, boss, source, name) for name, source in sources.items()))
    for (name, source), ended in zip(sources.items(), ends, strict=True):
        assert ended.code == 0, ended.all
        await source.assert_stored(boss, name)


async def test_one_that_raises_on_some_tiles_costs_only_these(
    machine: Machine, boss: LocalBoss, lab: Path
) -> None:
    source = tiles(lab, "FailsSometimes")
    ended = await run(machine, boss, source, "some", "--attempts", 1, "--manual-complete", workers=2)
    assert ended.code == 3, ended.all
    assert "ValueError: bad section 1" in ended.all
    assert "ValueError: bad section 5" in ended.all
    assert "lab_volume/tiles.py:" in ended.all
    assert len(boss.objects(TILE_BUCKET)) == 24 - 4


async def test_chunks_in_every_order_of_axes_arrive_voxel_for_voxel(
    machine: Machine, boss: LocalBoss, lab: Path
) -> None:
    kinds = ("Zyx", "Xyz", "Xyzt", "Tzyx")
    ends = await asyncio.gather(*(run(machine, boss, chunks(lab, kind), kind) for kind in kinds))
    for kind, ended in zip(kinds, ends, strict=True):
        assert ended.code == 0, ended.all
        await chunks(lab, kind).assert_stored(boss, kind)


async def test_where_only_our_own_code_may_run_a_lab_plugin_is_refused_before_anything_is_made(
    machine: Machine, boss: LocalBoss, lab: Path
) -> None:
    ended = await run(machine, boss, tiles(lab, "KeepsHandles"), "ours", "--builtin-plugins-only")
    assert ended.code == 4, ended.all
    assert "not part of boss-ingest" in ended.err
    assert boss.faults.calls["rest.create"] == 0


async def test_join_tells_whose_code_it_runs(machine: Machine, boss: LocalBoss, lab: Path) -> None:
    ended = await run(machine, boss, tiles(lab, "KeepsHandles"), "told", "--manual-complete")
    assert ended.code == 0, ended.all
    ended = await machine.run("join", "--job-id", 1)
    assert ended.code == 0, ended.all
    assert f"code from {FIXTURE / PACKAGE / 'tiles.py'}" in ended.err
