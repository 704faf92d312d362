"""Stacks of images: the classic classes; the reader stands in tests/contract."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boss_ingest.errors import ConfigError, MissingSourceError, SourceError
from boss_ingest.plugins.reader import Setup, TileIndex
from boss_ingest.plugins.stack import StackReader, ZindexStackPathProcessor, ZindexStackTileProcessor

JOB = {
    "extent": {"x": [0, 6], "y": [0, 4], "z": [16, 20], "t": [0, 1]},
    "tile_size": {"x": 6, "y": 4, "z": 1, "t": 1},
}


def paths(**params):
    processor = ZindexStackPathProcessor()
    assert processor.parameters is None
    names = {"root_dir": "/data", "base_filename": "<p:4>", "extension": "png"}
    processor.setup({**names, "ingest_job": JOB, **params})
    return processor


def tiles(**params):
    processor = ZindexStackTileProcessor()
    processor.setup({"ingest_job": JOB, **params})
    return processor


def test_the_path_is_root_base_and_extension():
    assert paths().process(0, 0, 17, 0) == "/data/0017.png"
    assert paths(root_dir="", base_filename="a/<z>_<y>_<x>").process(3, 2, 17, 0) == "a/17_2_3.png"


@pytest.mark.parametrize("index", [(0, 0, 20, 0), (0, 0, 15, 0), (0, 0, 17, 1), (0, 0, 17)])
def test_indices_outside_of_the_job_are_an_index_error_as_ever(index):
    with pytest.raises(IndexError):
        paths().process(*index)


@pytest.mark.parametrize(
    "params",
    [
        {"base_filename": "../<>"},
        {"base_filename": "/etc/<>"},
        {"extension": "png/../../../x"},
        {"root_dir": 7},
        {"allow_outside_root": "yes"},
    ],
)
def test_params_that_cannot_be_are_refused_at_setup(params):
    with pytest.raises(ConfigError) as caught:
        paths(**params)
    assert caught.value.problems


def test_all_problems_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        ZindexStackPathProcessor().setup({"ingest_job": JOB})
    assert [problem.path.rpartition(".")[2] for problem in caught.value.problems] == [
        "root_dir",
        "base_filename",
        "extension",
    ]


def test_a_link_out_of_the_root_is_refused_unless_it_is_allowed(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere.png").write_bytes(b"x")
    (tmp_path / "root" / "0016.png").symlink_to(tmp_path / "elsewhere.png")
    root = str(tmp_path / "root")
    with pytest.raises(SourceError, match="allow_outside_root") as caught:
        paths(root_dir=root).process(0, 0, 16, 0)
    assert "elsewhere.png" in caught.value.what
    assert paths(root_dir=root, allow_outside_root=True).process(0, 0, 16, 0) == f"{root}/0016.png"


def test_a_root_that_is_a_link_is_inside_itself(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to(tmp_path / "real")
    assert paths(root_dir=str(tmp_path / "root")).process(0, 0, 16, 0).endswith("root/0016.png")


def test_what_leads_out_is_allowed_by_name():
    outside = paths(root_dir="/data/a", base_filename="../<>", allow_outside_root=True)
    assert outside.process(0, 0, 16, 0) == "/data/a/../16.png"


def test_the_tile_is_the_file_as_it_is(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"whatever it holds")
    with tiles(extension="png").process(str(tmp_path / "a.jpg"), 0, 0, 16, 0) as handle:
        assert handle.read() == b"whatever it holds"


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        tiles(fail_gracefully=True).process(str(tmp_path / "16.png"), 0, 0, 16, 0)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"filesystem": "ftp"}, '"local" or "s3" or "s3_copy"|must be'),
        ({"filesystem": "s3"}, "takes a bucket"),
        ({"filesystem": "s3_copy"}, "takes a bucket"),
        ({"filesystem": "s3", "bucket": "b", "endpoint_url": "ftp://lab"}, "http://"),
        ({"images": "mosaic"}, "must be"),
        ({"images": "grid"}, "takes an image_size"),
        ({"images": "slices", "image_size": {"x": 3}}, "image_size is"),
        ({"images": "slices", "image_size": {"x": 0, "y": 1}}, "image_size is"),
        ({"max_image_bytes": 0}, "max_image_bytes"),
        ({"offset_x": 1.5}, "whole number"),
        ({"image": "slices"}, 'did you mean "images"'),
        ({"images": "grid", "image_size": {"x": 3, "y": 2}}, "ZindexStackPathProcessor"),
    ],
)
def test_params_that_cannot_be_read_with_are_refused_by_name(params, says):
    with pytest.raises(ConfigError, match=says):
        tiles(**params)


async def reader(root, **params):
    stack = StackReader()
    names = {"root_dir": str(root), "base_filename": "<>", "extension": "png"}
    await stack.open(Setup(names, params, JOB, Path()))
    return stack


async def test_a_missing_file_is_told_from_one_that_cannot_be_read(tmp_path):
    stack = await reader(tmp_path)
    with pytest.raises(MissingSourceError, match=r"16\.png"):
        await stack.read(TileIndex(0, 0, 16, 0))
    (tmp_path / "17.png").mkdir()
    with pytest.raises(SourceError, match=r"17\.png") as caught:
        await stack.read(TileIndex(0, 0, 17, 0))
    assert not isinstance(caught.value, MissingSourceError)


@pytest.mark.parametrize("images", ["tiles", "slices"])
async def test_without_its_root_folder_no_file_is_merely_missing(tmp_path, images):
    """As when a disk is no longer mounted: zeros for what is missing would blacken the rest of the volume."""
    stack = await reader(tmp_path / "gone", images=images, missing="zeros")
    with pytest.raises(SourceError, match="there is no folder") as caught:
        await stack.read(TileIndex(0, 0, 16, 0))
    assert not isinstance(caught.value, MissingSourceError)
    await stack.close()


async def test_a_link_out_of_the_root_is_not_read(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "16.png").symlink_to(tmp_path)
    stack = await reader(tmp_path / "root")
    with pytest.raises(SourceError, match="outside"):
        await stack.read(TileIndex(0, 0, 16, 0))


async def test_the_reader_leaves_a_file_alone_that_no_tile_can_be(tmp_path):
    with (tmp_path / "16.png").open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)
    stack = await reader(tmp_path)
    with pytest.raises(SourceError, match="too many"):
        await stack.read(TileIndex(0, 0, 16, 0))


async def test_the_reader_describes_the_first_slice(tmp_path):
    Image.fromarray(np.zeros((4, 6), "u2")).save(tmp_path / "16.png")
    info = await (await reader(tmp_path)).describe()
    assert info.dtype == "uint16"
    assert info.where == str(tmp_path / "16.png")
