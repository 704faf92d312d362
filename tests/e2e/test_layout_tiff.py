"""TIFF volumes and multi-page TIFF, through the real command into a local Boss and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.layouts import ingest
from tests.volumes import PLUGINS, Source, chunk_job, pattern, tile_job

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine

tifffile = pytest.importorskip("tifffile", reason="needs boss-ingest[tiff]")


async def test_a_compressed_ome_tiff_as_chunks(machine: Machine, boss: LocalBoss, tmp_path: Path) -> None:
    volume = pattern((18, 530, 600), "uint16")
    file = tmp_path / "v.ome.tif"
    options = {"tile": (256, 256), "compression": "zlib", "predictor": True, "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(file, volume, ome=True, photometric="minisblack", **options)
    params = {"filename": str(file)}
    client = {"chunk_processor": {"class": f"{PLUGINS}.tiff.TiffVolumeReader", "params": params}}
    await ingest(Source(volume, client, chunk_job(volume, (512, 512, 16))), machine, boss)


async def test_time_samples_of_one_channel_as_tiles(
    machine: Machine, boss: LocalBoss, tmp_path: Path
) -> None:
    import numpy as np

    volume = pattern((2, 16, 520, 600))  # tzyx
    both = np.stack([volume + 1, volume], axis=2)
    tifffile.imwrite(tmp_path / "hyper.tif", both, imagej=True, metadata={"axes": "TZCYX"})
    params = {"filename": str(tmp_path / "hyper.tif"), "index": {"c": 1}}
    client = {"tile_processor": {"class": f"{PLUGINS}.tiff.TiffTileReader", "params": params}}
    await ingest(Source(volume, client, tile_job(volume, 512)), machine, boss)


async def test_one_file_a_slice_with_a_page_a_sample_under_the_names_of_the_original_client(
    machine: Machine, boss: LocalBoss, tmp_path: Path
) -> None:
    series = pattern((3, 2, 520, 600), "uint16")  # tzyx
    for z in range(2):
        tifffile.imwrite(tmp_path / f"z{z}.tif", series[:, z], photometric="minisblack")
    plugins = "ingestclient.plugins.multipage_tiff.SingleTimeTiff"
    names = {f"z_{z}": str(tmp_path / f"z{z}.tif") for z in range(2)}
    client = {
        "path_processor": {"class": f"{plugins}PathProcessor", "params": names},
        "tile_processor": {
            "class": f"{plugins}TileProcessor",
            "params": {"datatype": "uint16", "filetype": "tif"},
        },
    }
    await ingest(Source(series, client, tile_job(series, 512)), machine, boss)
