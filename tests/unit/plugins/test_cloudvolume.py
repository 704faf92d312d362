"""The cloudvolume plugin against the real cloud-volume package on file://, and what goes where."""

import asyncio
import sys
import warnings

import numpy as np
import pytest

from boss_ingest.errors import ConfigError, MissingSourceError, SourceAwayError, SourceError
from boss_ingest.plugins import array_cloudvolume
from boss_ingest.plugins.array_library import LibraryVolume
from boss_ingest.plugins.array_volume import ArrayVolume
from boss_ingest.plugins.classic import ClassicChunks
from boss_ingest.plugins.cloudvolume import (
    CloudVolumeChunkParams,
    CloudVolumeChunkProcessor,
    CloudVolumeReader,
)
from boss_ingest.plugins.reader import Box, Setup
from tests.arrays import JOB, SHAPE_ZYX, VOLUME, half

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    cloudvolume = pytest.importorskip("cloudvolume", reason="needs boss-ingest[cloudvolume]")

# cloud-volume and what it stands on warn of their own matters
pytestmark = pytest.mark.filterwarnings("default")

ALL = Box((0, 0, 0), SHAPE_ZYX)
CORNER = Box((0, 0, 0), (16, 16, 16))
PAIR = (
    "ingestclient.plugins.cloudvolume.CloudVolumePathProcessor",
    "ingestclient.plugins.cloudvolume.CloudVolumeChunkProcessor",
)
BOTH = ["tensorstore", "cloudvolume"]


def written(folder, volume=VOLUME, *, offset=(0, 0, 0), encoding="raw", compress=False, name="em"):
    """A volume as cloud-volume writes it; returns its cloudpath."""
    cloudvolume.CloudVolume.from_numpy(
        volume.T,
        vol_path=f"file://{folder}/{name}",
        resolution=(4, 4, 40),
        voxel_offset=offset,
        chunk_size=(16, 16, 16),
        layer_type="image",
        encoding=encoding,
        compress=compress,
        progress=False,
    )
    return f"file://{folder}/{name}"


async def opened(cloudpath, job=JOB, **params):
    reader = CloudVolumeReader()
    await reader.open(Setup({}, {"cloudpath": cloudpath, **params}, job, None, cache_bytes=1 << 20))
    return reader


async def read(cloudpath, box=ALL, **params):
    return await (await opened(cloudpath, **params)).read(box)


def library_of(reader):
    return {ArrayVolume: "tensorstore", LibraryVolume: "cloudvolume"}[type(reader._volume)]


@pytest.mark.parametrize("library", BOTH)
@pytest.mark.parametrize("box", [ALL, CORNER, Box((3, 5, 7), (33, 44, 55)), Box((39, 49, 59), SHAPE_ZYX)])
async def test_both_libraries_give_the_same_voxels(tmp_path, library, box):
    reader = await opened(written(tmp_path), library=library)
    assert library_of(reader) == library
    found = await reader.read(box)
    z, y, x = (slice(low, high) for low, high in zip(box.start_zyx, box.stop_zyx, strict=True))
    assert found.dtype == np.uint16
    assert found.flags.c_contiguous
    assert (found == VOLUME[z, y, x]).all()
    info = await reader.describe()
    assert (info.dtype, info.shape_zyx) == ("uint16", SHAPE_ZYX)
    await reader.close()


@pytest.mark.parametrize("library", BOTH)
async def test_reads_at_the_same_time_do_not_mix(tmp_path, library):
    reader = await opened(written(tmp_path), library=library)
    planes = await asyncio.gather(*(reader.read(Box((z, 0, 0), (z + 1, 50, 60))) for z in range(40)))
    assert (np.concatenate(planes) == VOLUME).all()


@pytest.mark.parametrize("scheme", ["file://", "precomputed://file://"])
@pytest.mark.parametrize("fill_missing", [True, False])
@pytest.mark.parametrize("library", BOTH)
async def test_a_volume_that_vanishes_while_it_is_read_is_no_zeros_and_comes_back(
    tmp_path, library, fill_missing, scheme
):
    path = written(tmp_path).replace("file://", scheme)
    reader = await opened(path, library=library, fill_missing=fill_missing)
    (tmp_path / "em").rename(tmp_path / "away")
    for box in (ALL, CORNER):
        with pytest.raises(SourceAwayError, match="mounted"):
            await reader.read(box)
    (tmp_path / "away").rename(tmp_path / "em")
    assert (await reader.read(CORNER) == VOLUME[:16, :16, :16]).all()
    assert (await reader.read(ALL) == VOLUME).all()


@pytest.mark.parametrize("encoding", ["raw", "jpeg", "compressed_segmentation"])
async def test_every_encoding_that_goes_through_tensorstore_is_equal(tmp_path, encoding):
    volume = VOLUME.astype("uint64" if encoding == "compressed_segmentation" else "uint8")
    path = written(tmp_path, volume, encoding=encoding)
    through = await opened(path)
    assert library_of(through) == "tensorstore"
    assert (await through.read(ALL) == await read(path, library="cloudvolume")).all()


@pytest.mark.parametrize("compress", ["gzip", "br"])
async def test_compressed_files_go_to_cloud_volume_by_themselves(tmp_path, compress):
    reader = await opened(written(tmp_path, compress=compress), fill_missing=True)
    assert library_of(reader) == "cloudvolume"
    assert (await reader.read(ALL) == VOLUME).all()
    with pytest.raises(ConfigError, match="compressed files"):
        await opened(f"file://{tmp_path}/em", library="tensorstore")


@pytest.mark.parametrize("library", BOTH)
class TestEither:
    async def test_the_voxel_offset_is_where_it_begins(self, tmp_path, library):
        path = written(tmp_path, offset=(10, 20, 30))
        assert (await read(path, Box((30, 20, 10), (70, 70, 70)), library=library) == VOLUME).all()
        with pytest.raises(SourceError, match="40 × 50 × 60"):
            await read(path, library=library)

    @pytest.mark.parametrize("mip", [1, [8, 8, 40]])
    async def test_mip_by_number_or_resolution(self, tmp_path, library, mip):
        path = written(tmp_path)
        volume = cloudvolume.CloudVolume(path)
        volume.add_scale((2, 2, 1), chunk_size=(16, 16, 16))
        volume.commit_info()
        finer = cloudvolume.CloudVolume(path, mip=1, compress=False, progress=False)
        finer[:, :, :] = half(VOLUME).T
        found = await read(path, Box((0, 0, 0), (40, 25, 30)), mip=mip, library=library)
        assert (found == half(VOLUME)).all()

    @pytest.mark.parametrize("mip", [5, [9, 9, 40]])
    async def test_a_mip_that_is_not_there(self, tmp_path, library, mip):
        with pytest.raises((ConfigError, SourceError), match="em"):
            await opened(written(tmp_path), mip=mip, library=library)

    async def test_a_chunk_that_is_not_there(self, tmp_path, library):
        path = written(tmp_path)
        (tmp_path / "em/4_4_40/0-16_0-16_0-16").unlink()
        with pytest.raises(MissingSourceError, match="is not there"):
            await read(path, CORNER, library=library)
        with pytest.raises(SourceError, match="missing in part") as caught:
            await read(path, library=library)
        assert not isinstance(caught.value, MissingSourceError)
        filled = await read(path, fill_missing=True, library=library)
        assert not filled[:16, :16, :16].any()
        assert (filled[16:] == VOLUME[16:]).all()

    async def test_one_channel_of_two(self, tmp_path, library):
        path = written(tmp_path, np.stack([VOLUME, VOLUME + 1]))
        assert (await read(path, channel=1, library=library) == VOLUME + 1).all()
        with pytest.raises(ConfigError, match="2 channels"):
            await read(path, library=library)
        with pytest.raises(ConfigError, match="no channel 2"):
            await read(path, channel=2, library=library)

    async def test_no_volume(self, tmp_path, library):
        with pytest.raises(SourceError, match=f"{tmp_path}/nothing") as caught:
            await opened(f"file://{tmp_path}/nothing", library=library)
        assert "\x1b" not in str(caught.value)

    @pytest.mark.parametrize(("index_xyz", "shape"), [((0, 0, 0), (16, 32, 32)), ((1, 1, 2), (8, 18, 28))])
    def test_the_classic_face(self, tmp_path, library, index_xyz, shape):
        params = {"cloudpath": written(tmp_path), "library": library}
        _, array = ClassicChunks(*PAIR, Setup({}, params, JOB, tmp_path)).read(*index_xyz)
        x, y, z = index_xyz
        assert array.shape == shape
        assert (array == VOLUME[16 * z :, 32 * y :, 32 * x :][:16, :32, :32]).all()


def test_the_vector_of_the_original(tmp_path):
    volume = np.zeros((78, 1026, 1036), np.uint8)
    volume[64:, 1024:, 1024:] = np.arange(14 * 2 * 12).reshape(14, 2, 12) % 251
    path = written(tmp_path, volume)
    extent = {"x": [0, 1036], "y": [0, 1026], "z": [0, 78], "t": [0, 1]}
    job = {"ingest_type": "volumetric", "extent": extent, "chunk_size": {"x": 1024, "y": 1024, "z": 64}}
    parameters = {"cloudpath": path, "mip": 0, "ingest_job": job}
    processor = CloudVolumeChunkProcessor()
    processor.setup(parameters)
    array, order = processor.process("", 1, 1, 1)
    assert (array.shape, order) == ((12, 2, 14, 1), 2)
    assert (array[..., 0] == volume.T[1024:, 1024:, 64:]).all()
    assert "ingest_job" in parameters
    job["extent"]["x"] = [0, 1030]
    processor.setup(parameters)
    assert processor.process("", 1, 1, 1)[0].shape == (6, 2, 14, 1)


async def test_out_of_bounds_goes_to_cloud_volume_only_where_the_job_leaves_the_volume(tmp_path):
    path = written(tmp_path)
    assert library_of(await opened(path, bounded=False)) == "tensorstore"
    wide = JOB | {"extent": JOB["extent"] | {"x": [0, 64]}}
    reader = await opened(path, wide, bounded=False, fill_missing=True)
    assert library_of(reader) == "cloudvolume"
    found = await reader.read(Box((0, 0, 48), (16, 16, 64)))
    assert (found[..., :12] == VOLUME[:16, :16, 48:]).all()
    assert not found[..., 12:].any()


async def test_arguments_that_change_no_voxel_stay_with_tensorstore(tmp_path):
    harmless = {"progress": True, "parallel": 4, "lru_bytes": 5, "compress": "gzip", "autocrop": True}
    assert library_of(await opened(written(tmp_path), **harmless)) == "tensorstore"
    reader = await opened(f"file://{tmp_path}/em", **harmless, library="cloudvolume")
    assert (await reader.read(ALL) == VOLUME).all()


@pytest.mark.parametrize("params", [{"cache": True}, {"background_color": 3}, {"something_of_theirs": 1}])
def test_arguments_that_tensorstore_lacks_need_cloud_volume(tmp_path, params):
    given = CloudVolumeChunkParams.model_validate({"cloudpath": f"file://{tmp_path}", **params})
    assert next(iter(params)) in array_cloudvolume._reason(given)


@pytest.mark.parametrize(
    "path", ["graphene://https://lab.org/em", "n5://file:///v", "s3://https://host/b/v", "boss://a/b/c"]
)
def test_paths_that_tensorstore_lacks_need_cloud_volume(path):
    assert "cloud-volume only" in array_cloudvolume._reason(CloudVolumeChunkParams(cloudpath=path))


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_keys_of_cloud_volumes_own_need_cloud_volume(tmp_path, monkeypatch, scheme):
    monkeypatch.setenv("HOME", str(tmp_path))
    given = CloudVolumeChunkParams(cloudpath=f"precomputed://{scheme}://bucket/em")
    assert not array_cloudvolume._reason(given)
    secrets = tmp_path / ".cloudvolume/secrets"
    secrets.mkdir(parents=True)
    (secrets / ("google-secret.json" if scheme == "gs" else "bucket-aws-secret.json")).write_text("{}")
    assert str(secrets) in array_cloudvolume._reason(given)


async def test_an_argument_that_cloud_volume_does_not_take_either(tmp_path):
    with pytest.raises(ConfigError, match="something_of_theirs"):
        await opened(written(tmp_path), something_of_theirs=1)


async def test_a_slip_is_told_the_right_name(tmp_path):
    with pytest.raises(ConfigError, match=r"did you mean.*fill_missing"):
        await opened(written(tmp_path), fill_mising=True)


async def test_without_cloud_volume_the_way_to_get_it_is_told(tmp_path, monkeypatch):
    path = written(tmp_path)
    monkeypatch.setitem(sys.modules, "cloudvolume", None)
    with pytest.raises(ConfigError, match=r"boss-ingest\[cloudvolume\]"):
        await opened(path, library="cloudvolume")
    assert (await read(path) == VOLUME).all()
