"""The zarr plugin: through tensorstore and through the zarr library, and its classic face."""

import numpy as np
import pytest

from boss_ingest.errors import ConfigError, SourceAwayError, SourceError
from boss_ingest.plugins.classic import ClassicChunks
from boss_ingest.plugins.reader import Box, Setup
from boss_ingest.plugins.zarr import ZarrChunkProcessor, ZarrPathProcessor, ZarrReader
from tests.arrays import JOB, SHAPE_ZYX, VOLUME, write_zarr2, write_zarr3

zarr = pytest.importorskip("zarr", reason="the library the params may ask for")
numcodecs = pytest.importorskip("numcodecs")

ALL = Box((0, 0, 0), SHAPE_ZYX)
PAIR = "ingestclient.plugins.zarr.ZarrPathProcessor", "ingestclient.plugins.zarr.ZarrChunkProcessor"
LIBRARIES = ["tensorstore", "zarr"]


async def opened(path, **params):
    reader = ZarrReader()
    await reader.open(Setup({}, {"cloud_path": str(path), "volume_name": "em", **params}, JOB, None))
    return reader


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("write", [write_zarr2, write_zarr3])
@pytest.mark.parametrize("url", ["{}", "file://{}"])
async def test_both_libraries_give_the_same_voxels(tmp_path, library, write, url):
    write(tmp_path / "em", VOLUME[np.newaxis, np.newaxis])
    reader = await opened(url.format(tmp_path), library=library)
    box = Box((3, 5, 7), (30, 50, 60))
    found = await reader.read(box)
    assert (found == VOLUME[3:30, 5:50, 7:60]).all()
    assert found.shape == box.shape_zyx
    info = await reader.describe()
    assert (info.dtype, info.shape_zyx) == ("uint16", SHAPE_ZYX)
    assert "em[z 3:30, y 5:50, x 7:60]" in reader.locate(box)
    with pytest.raises(SourceError, match="40 × 50 × 60"):
        await reader.read(Box((0, 0, 0), (41, 50, 60)))
    await reader.close()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("write", [write_zarr2, write_zarr3])
async def test_an_array_that_vanishes_while_it_is_read_is_no_zeros_and_comes_back(tmp_path, library, write):
    write(tmp_path / "em")
    reader = await opened(tmp_path, library=library, missing_chunks="fill")
    (tmp_path / "em").rename(tmp_path / "away")
    with pytest.raises(SourceAwayError, match="mounted"):
        await reader.read(ALL)
    (tmp_path / "away").rename(tmp_path / "em")
    assert (await reader.read(ALL) == VOLUME).all()


@pytest.mark.parametrize("library", LIBRARIES)
async def test_what_is_not_there_is_named(tmp_path, library):
    with pytest.raises(SourceError, match=f"{tmp_path}/em"):
        await opened(tmp_path, library=library)


@pytest.mark.parametrize("library", LIBRARIES)
async def test_two_channels_are_refused(tmp_path, library):
    write_zarr3(tmp_path / "em", np.stack([VOLUME, VOLUME]))
    with pytest.raises(ConfigError, match="three axes"):
        await opened(tmp_path, library=library)


async def test_the_zarr_library_reads_filters(tmp_path):
    filters = [numcodecs.Delta("<u2")]
    zarr.create_array(tmp_path / "em", data=VOLUME, chunks=(16, 16, 16), zarr_format=2, filters=filters)
    with pytest.raises(SourceError, match="filters"):
        await opened(tmp_path)
    assert (await (await opened(tmp_path, library="zarr")).read(ALL) == VOLUME).all()


async def test_a_damaged_chunk_is_a_source_error_with_the_zarr_library_too(tmp_path):
    write_zarr2(tmp_path / "em")
    (tmp_path / "em/0.0.0").write_bytes(b"damaged")
    with pytest.raises(SourceError, match=r"em\[z 0:40, y 0:50, x 0:60\] cannot be read"):
        await (await opened(tmp_path, library="zarr")).read(ALL)


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_classic_face_with_either(tmp_path, library):
    write_zarr2(tmp_path / "em")
    params = {"cloud_path": str(tmp_path), "volume_name": "em", "library": library}
    chunks = ClassicChunks(*PAIR, Setup({}, params, JOB, tmp_path))
    _, array = chunks.read(1, 1, 2)
    assert (array == VOLUME[32:, 32:, 32:]).all()
    with pytest.raises(SourceError, match="40 × 50 × 60"):
        chunks.read(2, 0, 0)


async def test_the_classic_face_works_where_an_event_loop_runs(tmp_path):
    write_zarr2(tmp_path / "em")
    processor = ZarrChunkProcessor()
    processor.setup({"cloud_path": str(tmp_path), "volume_name": "em", "backend": "S3", "ingest_job": JOB})
    array, _ = processor.process("", 0, 0, 0)
    assert (array == VOLUME[:16, :32, :32]).all()


def test_the_path_processor_takes_anything_it_was_given():
    path = ZarrPathProcessor()
    path.setup({"cloud_path": "s3://b", "volume_name": "em", "ingest_job": JOB})
    assert path.process(0, 0, 0, 0) == "s3://b/em"
