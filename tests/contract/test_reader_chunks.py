"""What every chunk reader keeps to, whatever it reads from; and the classic face of the same layout."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from boss_ingest.errors import ConfigError, SourceError
from boss_ingest.plugins.array import ArrayReader
from boss_ingest.plugins.classic import ClassicChunks
from boss_ingest.plugins.cloudvolume import CloudVolumeReader
from boss_ingest.plugins.hdf5 import Hdf5VolumeReader
from boss_ingest.plugins.reader import Box, ChunkReader, Setup
from boss_ingest.plugins.tiff import TiffVolumeReader
from boss_ingest.plugins.zarr import ZarrReader
from tests import arrays

tensorstore = pytest.importorskip("tensorstore", reason="needs boss-ingest[zarr]")

SHAPE_ZYX = (40, 50, 60)
VOLUME = (np.arange(40 * 50 * 60) % 65521).astype(np.uint16).reshape(SHAPE_ZYX)
JOB = {
    "ingest_type": "volumetric",
    "extent": {"x": [0, 60], "y": [0, 50], "z": [0, 40], "t": [0, 1]},
    "chunk_size": {"x": 32, "y": 32, "z": 16},
}
ALL = Box((0, 0, 0), SHAPE_ZYX)


@dataclass
class Source:
    """A reader over VOLUME, and how to take it away; `remove` returns what an error must name."""

    make: Callable[[], ChunkReader]
    setup: Setup
    remove: Callable[[], str]


def write(path, version, array=VOLUME):
    metadata = (
        {"shape": array.shape, "chunks": [16] * array.ndim, "dtype": array.dtype.str}
        if version == 2
        else {
            "shape": array.shape,
            "data_type": array.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [16] * array.ndim}},
        }
    )
    driver = "zarr" if version == 2 else "zarr3"
    kvstore = {"driver": "file", "path": str(path)}
    spec = {"driver": driver, "kvstore": kvstore, "metadata": metadata}
    store = tensorstore.open(spec, create=True).result()
    store[...].write(array).result()


def zarr(version, url="{}"):
    def make(folder):
        write(folder / "v.zarr" / "em", version)

        def remove():
            shutil.rmtree(folder / "v.zarr")
            return "v.zarr/em"

        params = {"cloud_path": url.format(folder / "v.zarr"), "volume_name": "em"}
        return Source(ZarrReader, Setup({}, params, JOB, folder), remove)

    return make


def array(write_it, reader=ArrayReader, param="url", **more):
    def make(folder):
        write_it(folder / "em")

        def remove():
            shutil.rmtree(folder / "em")
            return "em"

        return Source(reader, Setup({}, {param: f"{folder}/em", **more}, JOB, folder), remove)

    return make


def tiff(**how):
    def make(folder):
        tifffile = pytest.importorskip("tifffile", reason="needs boss-ingest[tiff]")
        file = folder / "em.tif"
        tifffile.imwrite(file, VOLUME, photometric="minisblack", **how)

        def remove():
            file.unlink()
            return "em.tif"

        return Source(TiffVolumeReader, Setup({}, {"filename": str(file)}, JOB, folder), remove)

    return make


def hdf5(**how):
    def make(folder):
        h5py = pytest.importorskip("h5py", reason="needs boss-ingest[hdf5]")
        with h5py.File(folder / "v.h5", "w") as file:
            file.create_dataset("em", data=VOLUME, **how)

        def remove():
            (folder / "v.h5").unlink()
            return "v.h5"

        params = {"filename": str(folder / "v.h5"), "dataset": "em"}
        return Source(Hdf5VolumeReader, Setup({}, params, JOB, folder), remove)

    return make


ZARRS = {"zarr 2": zarr(2), "zarr 3": zarr(3), "zarr file url": zarr(3, "file://{}")}
TIFFS = {
    "tiff": tiff(),
    "tiff, tiled and compressed": tiff(tile=(16, 32), compression="zlib", predictor=True, bigtiff=True),
}
ARRAYS = {
    "array, ome-zarr": array(lambda path: arrays.write_ome(path, "0.5", {"s0": VOLUME})),
    "array, n5": array(arrays.write_n5),
    "array, precomputed": array(arrays.write_precomputed),
    "cloudvolume": array(arrays.write_precomputed, CloudVolumeReader, "cloudpath"),
}
HDF5S = {
    "hdf5": hdf5(),
    "hdf5, blocks": hdf5(chunks=(16, 32, 32), compression="gzip", shuffle=True),
    "hdf5, blocks only HDF5 decodes": hdf5(chunks=(16, 32, 32), compression="lzf"),
}
SOURCES = ZARRS | ARRAYS | TIFFS | HDF5S


@pytest.fixture(params=SOURCES.values(), ids=SOURCES.keys())
def source(request, tmp_path):
    return request.param(tmp_path)


@pytest.fixture
async def reader(source):
    opened = source.make()
    await opened.open(source.setup)
    yield opened
    await opened.close()


def part(box):
    return VOLUME[tuple(slice(low, high) for low, high in zip(box.start_zyx, box.stop_zyx, strict=True))]


BOXES = [ALL, Box((0, 0, 0), (16, 32, 32)), Box((3, 5, 7), (4, 6, 8)), Box((32, 32, 32), SHAPE_ZYX)]


@pytest.mark.parametrize("box", BOXES)
async def test_a_box_has_its_own_voxels(reader, box):
    array = await reader.read(box)
    assert array.shape == box.shape_zyx
    assert array.dtype == np.uint16
    assert (array == part(box)).all()


async def test_the_same_box_can_be_read_again(reader):
    assert (await reader.read(BOXES[1]) == await reader.read(BOXES[1])).all()


async def test_reads_at_the_same_time_do_not_mix(reader):
    boxes = BOXES * 8
    arrays = await asyncio.gather(*(reader.read(box) for box in boxes))
    for box, array in zip(boxes, arrays, strict=True):
        assert (array == part(box)).all()


@pytest.mark.parametrize(
    "box",
    [
        Box((0, 0, 0), (41, 50, 60)),
        Box((0, 0, 0), (40, 50, 61)),
        Box((40, 0, 0), (56, 50, 60)),
        Box((-1, 0, 0), (1, 1, 1)),
    ],
)
async def test_a_box_that_leaves_the_source_is_a_source_error(reader, box):
    with pytest.raises(SourceError, match="40 × 50 × 60"):
        await reader.read(box)


async def test_a_missing_source_is_a_source_error_that_names_it(source):
    name = source.remove()
    reader = source.make()
    with pytest.raises(SourceError) as caught:
        await reader.open(source.setup)
    assert name in caught.value.what
    assert caught.value.hint
    await reader.close()


async def test_describe_tells_type_and_shape(reader):
    info = await reader.describe()
    assert (info.dtype, info.shape_zyx) == ("uint16", SHAPE_ZYX)
    assert "em" in info.where


async def test_locate_says_where_a_box_comes_from(reader):
    assert "em" in reader.locate(BOXES[0])
    assert reader.locate(BOXES[0]) != reader.locate(BOXES[1])


async def test_close_may_be_repeated_and_follow_an_open_that_never_was(source):
    reader = source.make()
    await reader.close()
    await reader.open(source.setup)
    await reader.close()
    await reader.close()


async def test_reading_changes_nothing_on_disk(source, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    reader = source.make()
    await reader.open(source.setup)
    await reader.read(ALL)
    await reader.close()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


async def test_relative_paths_count_from_the_working_directory(tmp_path, monkeypatch):
    zarr(2)(tmp_path)
    monkeypatch.chdir(tmp_path)
    reader = ZarrReader()
    await reader.open(Setup({}, {"cloud_path": "v.zarr", "volume_name": "em"}, JOB, Path("/elsewhere")))
    assert (await reader.read(ALL) == VOLUME).all()
    await reader.close()


async def opened_zarr(path, **params):
    reader = ZarrReader()
    await reader.open(Setup({}, {"cloud_path": str(path), **params}, JOB, Path()))
    return reader


async def test_a_zarr_of_the_wrong_name_is_told_what_there_is(tmp_path):
    write(tmp_path / "labels", 2)
    write(tmp_path / "em", 3)
    with pytest.raises(SourceError) as caught:
        await opened_zarr(tmp_path, volume_name="emm")
    assert "em, labels" in caught.value.hint


@pytest.mark.parametrize("url", ["ftp://bucket/v", "boss://bucket/v"])
async def test_a_zarr_elsewhere_is_refused_by_name(url):
    with pytest.raises(ConfigError, match=url.partition(":")[0]):
        await opened_zarr(url)


async def test_leading_axes_of_length_one_are_left_out_and_others_refused(tmp_path):
    write(tmp_path / "tczyx", 3, VOLUME[np.newaxis, np.newaxis])
    reader = await opened_zarr(tmp_path, volume_name="tczyx")
    assert (await reader.read(ALL) == VOLUME).all()
    write(tmp_path / "two", 2, np.stack([VOLUME, VOLUME]))
    with pytest.raises(ConfigError, match="three axes"):
        await opened_zarr(tmp_path, volume_name="two")


@pytest.mark.parametrize(("version", "chunk"), [(2, "0.0.0"), (3, "c/0/0/0")])
async def test_a_zarr_chunk_without_a_file_is_fill_or_an_error_as_the_user_says(tmp_path, version, chunk):
    write(tmp_path / "em", version)
    (tmp_path / "em" / chunk).unlink()
    array = await (await opened_zarr(tmp_path, volume_name="em")).read(ALL)
    assert not array[:16, :16, :16].any()
    assert (array[16:] == VOLUME[16:]).all()
    strict = await opened_zarr(tmp_path, volume_name="em", missing_chunks="error")
    assert (await strict.read(Box((16, 0, 0), SHAPE_ZYX)) == VOLUME[16:]).all()
    with pytest.raises(SourceError, match="missing"):
        await strict.read(ALL)
    with pytest.raises(ConfigError, match="missing_chunks"):
        await opened_zarr(tmp_path, volume_name="em", missing_chunks="maybe")


async def test_a_zarr_group_is_not_an_array(tmp_path):
    (tmp_path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group"}')
    with pytest.raises(SourceError, match="cannot be read"):
        await opened_zarr(tmp_path)


async def test_a_damaged_zarr_chunk_is_a_source_error_that_names_the_box(tmp_path):
    write(tmp_path / "em", 2)
    (tmp_path / "em" / "0.0.0").write_bytes(b"damaged")
    reader = await opened_zarr(tmp_path, volume_name="em")
    with pytest.raises(SourceError, match=r"em\[z 0:1, y 0:1, x 0:1\] cannot be read") as caught:
        await reader.read(Box((0, 0, 0), (1, 1, 1)))
    assert "tensorstore_spec" not in caught.value.what


@pytest.mark.parametrize("make", ZARRS.values(), ids=ZARRS.keys())
@pytest.mark.parametrize(("index_xyz", "shape"), [((0, 0, 0), (16, 32, 32)), ((1, 1, 2), (8, 18, 28))])
def test_the_classic_face_gives_the_same_voxels(make, index_xyz, shape, tmp_path):
    pair = "ingestclient.plugins.zarr.ZarrPathProcessor", "ingestclient.plugins.zarr.ZarrChunkProcessor"
    _, array = ClassicChunks(*pair, make(tmp_path).setup).read(*index_xyz)
    x, y, z = index_xyz
    assert array.shape == shape
    assert (array == VOLUME[16 * z :, 32 * y :, 32 * x :][:16, :32, :32]).all()
