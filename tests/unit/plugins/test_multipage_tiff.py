"""Multi-page TIFF: the classic classes and the readers that take their place."""

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boss_ingest.errors import ConfigError, MissingSourceError, SourceError
from boss_ingest.plugins.multipage_tiff import (
    SingleTimeTiffPathProcessor,
    SingleTimeTiffTileProcessor,
    TiffMultiFileHyperStackPathProcessor,
    TiffMultiFileHyperStackTileProcessor,
    load_tiff_multipage,
)
from boss_ingest.plugins.reader import Setup, TileIndex
from boss_ingest.plugins.tiff_multipage import SingleTimeTiffReader, TiffMultiFileHyperStackReader
from tests.source_buckets import SERVERS, s3_server

tifffile = pytest.importorskip("tifffile", reason="needs boss-ingest[tiff]")

GREY = {"photometric": "minisblack"}
SERIES = (np.arange(5 * 50 * 70) * 11 % 65521).astype(np.uint16).reshape(5, 50, 70)  # tyx
JOB = {
    "resolution": 0,
    "extent": {"x": [0, 70], "y": [0, 50], "z": [2, 4], "t": [0, 5]},
    "tile_size": {"x": 32, "y": 32, "z": 1, "t": 1},
}
HYPER_JOB = {
    "resolution": 0,
    "extent": {"x": [0, 20], "y": [0, 10], "z": [0, 2], "t": [0, 7]},
    "tile_size": {"x": 20, "y": 10, "z": 1, "t": 1},
}


def set_up(kind, job=JOB, **params):
    processor = kind()
    assert processor.parameters is None
    processor.setup({**params, "ingest_job": job})
    return processor


def pixels(handle):
    with handle, Image.open(handle) as image:
        assert image.format == "TIFF"
        return np.asarray(image)


@pytest.fixture
def slices(tmp_path):
    """z_2 and z_3, the second one compressed, a page a time sample."""
    tifffile.imwrite(tmp_path / "a.tif", SERIES, metadata=None, **GREY)
    tifffile.imwrite(tmp_path / "b.tif", SERIES + 1, compression="lzw", rowsperstrip=8, **GREY)
    return {"z_2": str(tmp_path / "a.tif"), "z_3": str(tmp_path / "b.tif")}


def test_a_slices_file_is_named_by_its_number():
    paths = set_up(SingleTimeTiffPathProcessor, z_2="a.tif", z_3="/data/b.tif")
    assert paths.process(0, 0, 2, 0) == "a.tif"
    assert paths.process(2, 1, 3, 4) == "/data/b.tif"  # the last column and row are partial


@pytest.mark.parametrize(
    "index", [(3, 0, 2, 0), (0, 2, 2, 0), (-1, 0, 2, 0), (0, 0, 1, 0), (0, 0, 4, 0), (0, 0, 2, 5), (0, 0, 2)]
)
def test_indices_outside_of_the_job_are_an_index_error(index):
    with pytest.raises(IndexError):
        set_up(SingleTimeTiffPathProcessor, z_2="a.tif").process(*index)


def test_files_stay_below_root_dir_when_there_is_one(tmp_path):
    (tmp_path / "root").mkdir()
    for name in ("../b.tif", "/etc/passwd"):
        paths = set_up(SingleTimeTiffPathProcessor, root_dir=str(tmp_path / "root"), z_2=name)
        with pytest.raises(SourceError, match="allow_outside_root"):
            paths.process(0, 0, 2, 0)
    inside = set_up(SingleTimeTiffPathProcessor, root_dir=str(tmp_path / "root"), z_2="a.tif")
    assert inside.process(0, 0, 2, 0) == str(tmp_path / "root" / "a.tif")


def test_a_slice_without_a_name_is_missing():
    for params in ({}, {"z_2": ""}):
        with pytest.raises(MissingSourceError, match="z 2"):
            set_up(SingleTimeTiffPathProcessor, **params).process(0, 0, 2, 0)


@pytest.mark.parametrize("params", [{"z2": "a.tif"}, {"z_2": 3}, {"slice": "x"}])
def test_names_that_are_no_slices_are_refused(params):
    with pytest.raises(ConfigError, match="|".join(params)):
        set_up(SingleTimeTiffPathProcessor, **params)


@pytest.mark.parametrize("z", [2, 3])
def test_a_tile_is_cut_out_of_the_page_of_its_time(slices, z):
    tiles = set_up(SingleTimeTiffTileProcessor, datatype="uint16", filetype="tif")
    for t in (0, 4):
        for y, x in ((0, 0), (1, 2)):
            image = pixels(tiles.process(slices[f"z_{z}"], x, y, z, t))
            assert image.dtype == np.uint16
            assert (image == SERIES[t, 32 * y : 32 * y + 32, 32 * x : 32 * x + 32] + z - 2).all()


def test_8_bit_works_as_8_bit_and_what_does_not_fit_is_an_error(slices, tmp_path):
    small = (SERIES % 251).astype(np.uint8)
    tifffile.imwrite(tmp_path / "small.tif", small, **GREY)
    tiles = set_up(SingleTimeTiffTileProcessor, datatype="uint8")
    image = pixels(tiles.process(str(tmp_path / "small.tif"), 0, 0, 2, 1))
    assert image.dtype == np.uint8
    assert (image == small[1, :32, :32]).all()
    with pytest.raises(SourceError, match="uint8"):
        tiles.process(slices["z_2"], 0, 0, 2, 1)
    wide = set_up(SingleTimeTiffTileProcessor, datatype="uint16")
    assert pixels(wide.process(str(tmp_path / "small.tif"), 0, 0, 2, 1)).dtype == np.uint16


def test_load_tiff_multipage_gives_all_pages(slices, tmp_path):
    assert (load_tiff_multipage(slices["z_2"]) == SERIES).all()
    tifffile.imwrite(tmp_path / "one.tif", SERIES[0], **GREY)
    assert load_tiff_multipage(str(tmp_path / "one.tif"), dtype="uint16").shape == (1, 50, 70)
    with pytest.raises(OSError, match="none"):
        load_tiff_multipage(str(tmp_path / "none.tif"))


def test_8_bit_pages_with_0_as_white_are_turned_round_as_ever(tmp_path):
    tifffile.imwrite(tmp_path / "white.tif", SERIES.astype(np.uint8), photometric="miniswhite")
    assert (load_tiff_multipage(str(tmp_path / "white.tif")) == 255 - SERIES.astype(np.uint8)).all()


def test_pages_in_colour_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "rgb.tif", np.zeros((5, 50, 70, 3), np.uint8), photometric="rgb")
    tiles = set_up(SingleTimeTiffTileProcessor, datatype="uint8")
    with pytest.raises(SourceError, match="3 numbers a pixel"):
        tiles.process(str(tmp_path / "rgb.tif"), 0, 0, 2, 1)


async def single_time(path_params, **params):
    reader = SingleTimeTiffReader()
    await reader.open(Setup(path_params, params, JOB, Path(), 1 << 22))
    return reader


async def test_the_reader_gives_every_tile_also_many_at_once(slices):
    reader = await single_time(slices, datatype="uint16", filetype="tif")
    indices = [TileIndex(x, y, z, t) for x in range(3) for y in range(2) for z in (2, 3) for t in range(5)]
    for index, tile in zip(indices, await asyncio.gather(*map(reader.read, indices)), strict=True):
        rows, columns = slice(32 * index.y, 32 * index.y + 32), slice(32 * index.x, 32 * index.x + 32)
        assert (tile == SERIES[index.t, rows, columns] + index.z - 2).all()
    info = await reader.describe()
    assert (info.dtype, info.where) == ("uint16", f"{slices['z_2']} page 0")
    await reader.close()
    await reader.close()


async def test_a_page_that_is_not_there_is_an_error_and_no_missing_source(slices, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", SERIES[:3], **GREY)
    reader = await single_time(slices)
    with pytest.raises(SourceError, match="3 pages, page 4") as caught:
        await reader.read(TileIndex(0, 0, 2, 4))
    assert not isinstance(caught.value, MissingSourceError)
    (tmp_path / "b.tif").unlink()
    with pytest.raises(MissingSourceError, match=r"b\.tif"):
        await reader.read(TileIndex(0, 0, 3, 0))
    for outside in (TileIndex(0, 0, 4, 0), TileIndex(3, 0, 2, 0), TileIndex(0, 0, 2, 5)):
        with pytest.raises(SourceError):
            await reader.read(outside)
    await reader.close()


async def test_the_reader_keeps_to_root_dir(tmp_path, slices):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link.tif").symlink_to(tmp_path / "a.tif")
    reader = await single_time({"root_dir": str(tmp_path / "root"), "z_2": "link.tif"})
    with pytest.raises(SourceError, match="outside"):
        await reader.read(TileIndex(0, 0, 2, 0))
    await reader.close()


def open_below(folder):
    descriptors = Path("/proc/self/fd")
    if not descriptors.exists():
        return 0
    return len([each for each in descriptors.iterdir() if str(folder) in str(each.resolve())])


async def test_many_files_are_read_with_few_of_them_open(tmp_path):
    job = {**JOB, "extent": {**JOB["extent"], "z": [0, 40]}}
    for z in range(40):
        tifffile.imwrite(tmp_path / f"{z}.tif", SERIES[:1] + z, **GREY)
    reader = SingleTimeTiffReader()
    names = {f"z_{z}": f"{z}.tif" for z in range(40)}
    await reader.open(Setup({"root_dir": str(tmp_path), **names}, {}, job, Path()))
    tiles = await asyncio.gather(*(reader.read(TileIndex(0, 0, z, 0)) for z in range(40)))
    for z, tile in enumerate(tiles):
        assert (tile == SERIES[0, :32, :32] + z).all()
    assert open_below(tmp_path) <= 16
    await reader.close()


NAMES = {
    "root_dir": "/data",
    "extension": "tif",
    "base_filename": "my_base_<o:200p:4>",
    "time_chunk_size": 2000,
}
STACK = {
    "time_chunk_size": 3,
    "num_z_slices": 2,
    "num_channels": 2,
    "channel_index": 0,
    "filesystem": "local",
    "bucket": "",
}


def test_a_hyperstacks_file_is_named_by_its_run_of_samples():
    paths = set_up(TiffMultiFileHyperStackPathProcessor, HYPER_JOB, **NAMES)
    assert paths.process(0, 0, 0, 4001) == "/data/my_base_0202.tif"
    assert paths.process(0, 0, 0, 0) == "/data/my_base_0200.tif"
    assert paths.process(9, 9, 99, 1999) == "/data/my_base_0200.tif"


@pytest.fixture
def hyperstack(tmp_path):
    """7 samples of 2 slices and 2 channels, 3 samples a file. Axes tzcyx."""
    stack = (np.arange(7 * 2 * 2 * 200) * 17 % 65521).astype(np.uint16).reshape(7, 2, 2, 10, 20)
    for n in range(3):
        tifffile.imwrite(tmp_path / f"h{n:03}.tif", stack[3 * n : 3 * n + 3], imagej=True)
    names = {"root_dir": str(tmp_path), "extension": "tif", "base_filename": "h<p:3>", "time_chunk_size": 3}
    return stack, names


@pytest.mark.parametrize("channel", [0, 1])
async def test_frames_of_a_hyperstack_are_found_by_channel_slice_and_sample(hyperstack, channel):
    stack, names = hyperstack
    params = STACK | {"channel_index": channel}
    paths = set_up(TiffMultiFileHyperStackPathProcessor, HYPER_JOB, **names)
    tiles = set_up(TiffMultiFileHyperStackTileProcessor, HYPER_JOB, **params)
    reader = TiffMultiFileHyperStackReader()
    await reader.open(Setup(names, params, HYPER_JOB, Path()))
    for t in range(7):
        for z in range(2):
            image = await asyncio.to_thread(
                lambda t=t, z=z: pixels(tiles.process(paths.process(0, 0, z, t), 0, 0, z, t))
            )
            assert image.dtype == np.uint16
            assert (image == stack[t, z, channel]).all()
            assert (await reader.read(TileIndex(0, 0, z, t)) == stack[t, z, channel]).all()
    assert reader.locate(TileIndex(0, 0, 1, 4)).endswith(f"h001.tif page {6 + channel}")
    assert (await reader.describe()).dtype == "uint16"
    await reader.close()


async def test_the_one_page_that_imagej_writes_for_many_images_has_them_all(tmp_path):
    stack = np.arange(4 * 200, dtype=np.uint16).reshape(4, 10, 20)
    tifffile.imwrite(tmp_path / "h0.tif", stack, imagej=True, truncate=True, metadata={"axes": "TYX"})
    with tifffile.TiffFile(tmp_path / "h0.tif") as file:
        assert len(file.pages) == 1
    names = {"root_dir": str(tmp_path), "extension": "tif", "base_filename": "h<>", "time_chunk_size": 7}
    assert (load_tiff_multipage(str(tmp_path / "h0.tif")) == stack).all()
    reader = TiffMultiFileHyperStackReader()
    params = STACK | {"time_chunk_size": 7, "num_z_slices": 1, "num_channels": 1}
    await reader.open(Setup(names, params, HYPER_JOB, Path()))
    for t in range(4):
        assert (await reader.read(TileIndex(0, 0, 0, t)) == stack[t]).all()
    with pytest.raises(SourceError, match="page 5"):
        await reader.read(TileIndex(0, 0, 0, 5))
    await reader.close()


async def test_hyperstack_params_that_cannot_be(hyperstack):
    _, names = hyperstack
    wrong = [
        {"channel_index": 2},
        {"num_z_slices": 0},
        {"filesystem": "ftp"},
        {"time_chunk_size": 4},
        {"num_z": 3},
    ]
    for params in wrong:
        reader = TiffMultiFileHyperStackReader()
        with pytest.raises(ConfigError) as caught:
            await reader.open(Setup(names, STACK | params, HYPER_JOB, Path()))
        assert caught.value.problems
        await reader.close()


async def test_a_slice_the_hyperstack_has_not_is_an_error(hyperstack):
    _, names = hyperstack
    job = {**HYPER_JOB, "extent": {**HYPER_JOB["extent"], "z": [0, 3]}}
    reader = TiffMultiFileHyperStackReader()
    await reader.open(Setup(names, STACK, job, Path()))
    with pytest.raises(SourceError, match="2 slices"):
        await reader.read(TileIndex(0, 0, 2, 0))
    for file in files_of(names["root_dir"]):
        file.unlink()
    with pytest.raises(MissingSourceError, match=r"h000\.tif"):
        await reader.read(TileIndex(0, 0, 0, 0))
    await reader.close()


def files_of(folder):
    return list(Path(folder).glob("h*"))


@pytest.mark.parametrize("kind", SERVERS)
async def test_a_hyperstack_on_s3_is_fetched_a_file_at_a_time(tmp_path, monkeypatch, hyperstack, kind):
    stack, names = hyperstack
    (tmp_path / "copies").mkdir()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    params = STACK | {"filesystem": "s3", "bucket": "lab", "temp_dir": str(tmp_path / "copies")}
    async with s3_server(kind, tmp_path) as server:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        for file in files_of(names["root_dir"]):
            server.client.upload_file(str(file), "lab", f"scans/{file.name}")
        reader = TiffMultiFileHyperStackReader()
        await reader.open(Setup(names | {"root_dir": "scans"}, params, HYPER_JOB, Path()))
        indices = [TileIndex(0, 0, z, t) for z in range(2) for t in range(7)]
        for index, tile in zip(indices, await asyncio.gather(*map(reader.read, indices)), strict=True):
            assert (tile == stack[index.t, index.z, 0]).all()
        assert reader.locate(indices[0]) == "s3://lab/scans/h000.tif page 0"
        tiles = set_up(TiffMultiFileHyperStackTileProcessor, HYPER_JOB, **params)
        image = await asyncio.to_thread(lambda: pixels(tiles.process("scans/h002.tif", 0, 0, 1, 6)))
        assert (image == stack[6, 1, 0]).all()
        await reader.close()
        other = TiffMultiFileHyperStackReader()
        await other.open(
            Setup(names | {"root_dir": "scans", "base_filename": "g<>"}, params, HYPER_JOB, Path())
        )
        with pytest.raises(MissingSourceError, match=r"s3://lab/scans/g1\.tif"):
            await other.read(TileIndex(0, 0, 0, 3))
        await other.close()
        tiles._objects.close_now()
    assert not [path for path in (tmp_path / "copies").rglob("*") if path.is_file()]
