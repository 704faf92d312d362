"""CATMAID's tiles in files: the classic classes; the readers stand in tests/contract too."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boss_ingest.errors import ConfigError, MissingSourceError, SourceError
from boss_ingest.plugins import catmaid
from boss_ingest.plugins.catmaid_readers import CatmaidDirectoryImageStackReader, CatmaidFileImageStackReader
from boss_ingest.plugins.reader import Setup, TileIndex

JOB = {
    "resolution": 1,
    "extent": {"x": [1024, 2500], "y": [0, 2100], "z": [5, 20], "t": [0, 1]},
    "tile_size": {"x": 1024, "y": 1024, "z": 1, "t": 1},
}
KINDS = ["CatmaidFileImageStack", "CatmaidFileImageStackZoomLevel", "CatmaidDirectoryImageStack"]


def set_up(name, job=JOB, **params):
    processor = getattr(catmaid, name)()
    assert processor.parameters is None
    processor.setup({**params, "ingest_job": job})
    return processor


@pytest.mark.parametrize(
    ("kind", "path"),
    list(zip(KINDS, ["/data/7/2_1_1.png", "/data/1/7/2_1.png", "/data/1/7/2/1.png"], strict=True)),
)
def test_the_path_of_each_of_the_three_layouts(kind, path):
    paths = set_up(f"{kind}PathProcessor", root_dir="/data", filetype="png")
    assert paths.process(1, 2, 7, 0) == path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "index",
    [
        (0, 0, 7, 0),
        (3, 0, 7, 0),
        (1, 3, 7, 0),
        (1, -1, 7, 0),
        (1, 0, 4, 0),
        (1, 0, 20, 0),
        (1, 0, 7, 1),
        (1, 0, 7),
    ],
)
def test_indices_outside_of_the_job_are_an_index_error(kind, index):
    paths = set_up(f"{kind}PathProcessor", root_dir="/data", filetype="png")
    with pytest.raises(IndexError):
        paths.process(*index)


@pytest.mark.parametrize("kind", KINDS)
def test_the_partial_last_column_and_row_are_part_of_the_job(kind):
    assert set_up(f"{kind}PathProcessor", root_dir="/data", filetype="png").process(2, 2, 19, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_tile_is_the_file_as_it_is(kind, tmp_path):
    (tmp_path / "a").write_bytes(b"whatever it holds")
    with set_up(f"{kind}TileProcessor", filetype="jpg").process(str(tmp_path / "a"), 1, 1, 7, 0) as handle:
        assert handle.read() == b"whatever it holds"


def test_links_out_of_the_root_are_refused_unless_allowed(tmp_path):
    (tmp_path / "root" / "7").mkdir(parents=True)
    (tmp_path / "out.png").write_bytes(b"x")
    (tmp_path / "root" / "7" / "2_1_1.png").symlink_to(tmp_path / "out.png")
    root = {"root_dir": str(tmp_path / "root"), "filetype": "png"}
    with pytest.raises(SourceError, match="allow_outside_root"):
        set_up("CatmaidFileImageStackPathProcessor", **root).process(1, 2, 7, 0)
    assert set_up("CatmaidFileImageStackPathProcessor", **root, allow_outside_root=True).process(1, 2, 7, 0)


@pytest.mark.parametrize(
    "params", [{}, {"root_dir": "x"}, {"root_dir": "x", "filetype": "png", "extension": "y"}]
)
def test_params_that_cannot_be(params):
    with pytest.raises(ConfigError):
        set_up("CatmaidFileImageStackPathProcessor", **params)


async def opened(kind, root, **params):
    reader = kind()
    job = JOB | {
        "tile_size": {"x": 512, "y": 512, "z": 1, "t": 1},
        "extent": JOB["extent"] | {"x": [0, 2500]},
    }
    await reader.open(
        Setup({"root_dir": str(root), "filetype": "jpg", **params}, {"filetype": "jpg"}, job, Path())
    )
    return reader


def encoded(array, kind="PNG", **how):
    into = io.BytesIO()
    Image.fromarray(array).save(into, kind, **how)
    return into.getvalue()


async def test_a_missing_file_is_told_from_one_outside_of_the_root(tmp_path):
    reader = await opened(CatmaidDirectoryImageStackReader, tmp_path)
    with pytest.raises(MissingSourceError, match=r"1/7/0/0\.jpg"):
        await reader.read(TileIndex(0, 0, 7, 0))
    (tmp_path / "1/7/0").mkdir(parents=True)
    (tmp_path / "1/7/0/0.jpg").symlink_to("/etc/hostname")
    with pytest.raises(SourceError, match="outside"):
        await reader.read(TileIndex(0, 0, 7, 0))


async def test_grey_saved_in_colour_is_the_grey_and_colour_is_left_to_be_refused(tmp_path):
    image = (np.arange(512 * 512) % 251).astype(np.uint8).reshape(512, 512)
    (tmp_path / "7").mkdir()
    grey, colour = np.stack([image] * 3, axis=-1), np.stack([image, image, image // 2], axis=-1)
    bodies = {
        0: encoded(grey),
        1: encoded(colour),
        2: encoded(image, "JPEG"),
        3: encoded(grey, "JPEG"),
        4: b"damaged",
        5: encoded(np.concatenate([grey, grey])),
    }
    for x, body in bodies.items():
        (tmp_path / f"7/0_{x}_1.jpg").write_bytes(body)
    reader = await opened(CatmaidFileImageStackReader, tmp_path)
    tiles = [await reader.read(TileIndex(x, 0, 7, 0)) for x in range(5)]
    assert (tiles[0] == image).all()
    assert tiles[1:3] == [bodies[1], bodies[2]]
    with Image.open(io.BytesIO(bodies[3])) as decoded:
        assert (tiles[3] == np.asarray(decoded)[..., 0]).all()
    assert tiles[4] == b"damaged"


async def test_the_reader_describes_the_first_tile(tmp_path):
    (tmp_path / "5").mkdir()
    (tmp_path / "5/0_0_1.jpg").write_bytes(encoded(np.zeros((512, 512), np.uint16)))
    info = await (await opened(CatmaidFileImageStackReader, tmp_path)).describe()
    assert info.dtype == "uint16"
    assert info.where.endswith("5/0_0_1.jpg")
