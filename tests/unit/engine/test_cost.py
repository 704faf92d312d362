"""What a task is counted as in the memory budget: by what is read, not only by what is stored."""

from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from boss_ingest.config.loading import parse_job_file
from boss_ingest.engine.open_source import open_chunks
from boss_ingest.engine.options import Options
from boss_ingest.engine.upload import _cost_bytes
from boss_ingest.plugins.loading import load_source
from tests.job_files import volumetric_job, write

tifffile = pytest.importorskip("tifffile", reason="needs boss-ingest[tiff]")


def job_of(path, **params):
    data = write(
        volumetric_job(), "client.chunk_processor.class", "boss_ingest.plugins.tiff.TiffVolumeReader"
    )
    data["client"].pop("path_processor", None)
    return parse_job_file(
        write(data, "client.chunk_processor.params", {"filename": str(path), **params}),
        source=Path("job.json"),
    )


@pytest.mark.parametrize(("dtype", "itemsize"), [("uint8", 1), ("float64", 8)])
async def test_a_source_tells_how_wide_its_voxels_are(tmp_path, dtype, itemsize):
    tifffile.imwrite(tmp_path / "v.tif", np.zeros((4, 8, 8), dtype), photometric="minisblack")
    job = job_of(tmp_path / "v.tif", convert="saturate")
    async with AsyncExitStack() as stack:
        source = await open_chunks(
            job, load_source(job), Options(), stack, datatype="uint8", channel_type="image"
        )
        assert source.itemsize_bytes == itemsize


@pytest.mark.parametrize(
    ("channel", "source", "params", "counted"),
    [
        ("uint8", 1, {}, 1),
        ("uint8", 8, {"convert": "saturate"}, 8),
        ("uint8", 0, {"convert": "saturate"}, 8),
        ("uint8", 0, {}, 1),
        ("uint64", 1, {}, 8),
    ],
)
def test_a_task_counts_by_the_wider_of_source_and_channel(channel, source, params, counted):
    job = job_of("v.tif", **params)
    assert _cost_bytes(job, channel, source) == counted * _cost_bytes(job_of("v.tif"), "uint8", 1)
