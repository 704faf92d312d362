"""HDF5 into the local Boss: the example job files as they are, and a config file of the original client."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.e2e.layouts import example, example_data, ingest
from tests.volumes import Source, pattern, tile_job

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine

pytest.importorskip("h5py", reason="needs boss-ingest[hdf5]")

WANTED = {
    "hdf5-single-file.json": "volume",
    "hdf5-chunk.json": "volume",
    "hdf5-slice.json": "volume",
    "hdf5-volume.json": "volume",
    "hdf5-time-series.json": "series",
    "hdf5-time-series-label.json": "labels",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The module that makes the examples' data, and where it has made it."""
    module = example_data("hdf5")
    folder = tmp_path_factory.mktemp("hdf5")
    module.make_hdf5(folder)
    return module, folder


@pytest.mark.parametrize("name", WANTED)
async def test_an_example_runs_on_the_data_made_for_it(
    name: str, data: tuple[Any, Path], machine: Machine, boss: LocalBoss
) -> None:
    module, folder = data
    (machine.cwd / "demo-data").mkdir()
    (machine.cwd / "demo-data/hdf5").symlink_to(folder)
    await ingest(example(name, getattr(module, WANTED[name])()), machine, boss)


async def test_a_config_of_the_original_client_that_reads_before_the_beginning(
    machine: Machine, boss: LocalBoss
) -> None:
    import h5py

    volume = pattern((4, 520, 600), "uint16")

    def write() -> None:
        with h5py.File(machine.cwd / "file.h5", "w") as file:
            file.create_dataset("img", data=volume[1:, 20:, 30:], chunks=(2, 100, 100), compression="lzf")

    await asyncio.to_thread(write)
    volume[0], volume[:, :20], volume[:, :, :30] = 0, 0, 0
    plugin = "ingestclient.plugins.hdf5.Hdf5SingleFile"
    params = {"filesystem": "local", "bucket": "", "upload_format": "tiff", "data_name": "img"}
    offsets = {"offset_x": -30, "offset_y": -20, "offset_z": -1}
    client = {
        "path_processor": {"class": f"{plugin}PathProcessor", "params": {"filename": "file.h5"}},
        "tile_processor": {
            "class": f"{plugin}TileProcessor",
            "params": {**params, **offsets, "datatype": "uint16"},
        },
    }
    assert np.count_nonzero(volume)
    await ingest(Source(volume, client, tile_job(volume, 512)), machine, boss)
