"""Classic processors, as a worker process runs them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boss_ingest.encode.pool import WorkerPool
from boss_ingest.errors import ConfigError, MissingSourceError, PluginError, SourceError
from boss_ingest.plugins.classic import ClassicChunks, ClassicTiles
from boss_ingest.plugins.reader import Setup, TileIndex
from tests.unit.plugins import in_worker

JOB = {
    "extent": {"x": [0, 6], "y": [0, 4], "z": [0, 20], "t": [0, 1]},
    "tile_size": {"x": 6, "y": 4, "z": 1, "t": 1},
}
INDEX = TileIndex(3, 2, 7, 0)


def setup(**params):
    return Setup({"root": "/data"}, params, JOB, Path())


def tiles(**params):
    return ClassicTiles("lab_plugins.LabPath", "lab_plugins.LabTiles", setup(**params))


def chunks(how):
    pair = "ingestclient.plugins.path.TestPassThroughPathProcessor", "lab_plugins.LabChunks"
    return ClassicChunks(*pair, setup(how=how))


def test_a_tile_is_read_from_the_start_of_a_handle_that_stays_open_while_the_plugin_keeps_it(lab):
    processors = tiles()
    path, body = processors.read(INDEX)
    assert path == "/data/7_2_3_0.png"
    assert (np.asarray(Image.open(io.BytesIO(body))) == 7).all()
    assert not processors._processor._instance.handles[0].closed


def test_the_tile_processor_is_set_up_first_and_nobody_else_sees_what_it_does_to_its_parameters(lab):
    given = setup(nested={"a": [1]})
    ClassicTiles("lab_plugins.LabPath", "lab_plugins.LabTiles", given)
    import lab_plugins

    assert lab_plugins.LOG == [("setup", "tile"), ("made", "path", None), ("setup", "path")]
    assert given.ingest_job["extent"]["z"] == [0, 20]
    assert given.path_params == {"root": "/data"}
    ClassicTiles("lab_plugins.LabPath", "lab_plugins.LabTiles", given)


@pytest.mark.parametrize(("how", "expected"), [("give_bytes", b"bytes"), ("give_path", None)])
def test_bytes_and_paths_are_taken_for_what_they_mean(lab, how, expected):
    assert tiles(how=how).read(INDEX)[1] == (expected or (lab / "lab_plugins.py").read_bytes())


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("open_text", 'open it in mode "rb"'),
        ("give_none", "returned a NoneType"),
        ("give_array", "returned a ndarray"),
        ("fail", r"KeyError: 'colour' \(.*lab_plugins.py:\d+\)"),
        ("leave", "SystemExit: bye"),
    ],
)
def test_a_plugins_own_fault_names_class_indices_and_place(lab, how, says):
    with pytest.raises(PluginError, match=says) as caught:
        tiles(how=how).read(INDEX)
    assert "lab_plugins.LabTiles.process('/data/7_2_3_0.png', 3, 2, 7, 0)" in caught.value.what


def test_a_handle_that_the_plugin_keeps_may_be_returned_again(lab):
    processors = tiles(how="give_the_same_again")
    assert [processors.read(INDEX)[1] for _ in range(2)] == [b"once", b"once"]


def test_a_file_that_cannot_be_opened_is_the_sources_fault(lab):
    with pytest.raises(SourceError, match=r"/data/7_2_3_0.png cannot be read: No such file") as caught:
        tiles(how="open_file").read(INDEX)
    assert "lab_plugins.py:" in caught.value.hint


def test_a_setup_that_fails_is_told_with_its_place(lab):
    with pytest.raises(ConfigError, match=r"client.tile_processor lab_plugins.BadSetup.*KeyError: 'token'"):
        ClassicTiles("lab_plugins.LabPath", "lab_plugins.BadSetup", setup())


def test_a_lab_class_may_stand_beside_ours_and_missing_files_are_told_as_such(lab):
    given = Setup(
        {"root_dir": "/nowhere", "base_filename": "<z>_<y>_<x>", "extension": "png"},
        {"fail_gracefully": True},
        JOB,
        Path(),
    )
    ours = "ingestclient.plugins.stack.ZindexStackTileProcessor"
    with pytest.raises(MissingSourceError, match=r"/nowhere/7_3_2\.png"):
        ClassicTiles("lab_plugins.SubclassedNames", ours, given).read(INDEX)


@pytest.mark.parametrize("how", ["zyx", "xyz", "xyzt", "tzyx"])
def test_every_order_of_axes_becomes_zyx(lab, how):
    path, array = chunks(how).read(0, 0, 0)
    assert path == ""
    assert (array == np.arange(60).reshape(3, 4, 5)).all()
    assert array.shape == (3, 4, 5)
    assert array.flags.c_contiguous


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("two channels", "2 time samples or channels"),
        ("two samples", "2 time samples or channels"),
        ("wrong axes", "4 axes"),
        ("unknown order", "order 7"),
        ("a list", "returned a list"),
        ("masked", "MaskedArray"),
        ("only the array", "returned a ndarray"),
        ("none", "NoneType"),
    ],
)
def test_what_is_no_chunk_is_told_by_class_and_indices(lab, how, says):
    with pytest.raises(PluginError, match=says) as caught:
        chunks(how).read(1, 2, 3)
    assert "lab_plugins.LabChunks.process('', 1, 2, 3)" in caught.value.what


async def test_lab_plugins_run_in_a_worker_of_the_pool_and_their_errors_come_back(lab):
    async with WorkerPool(1, initializer=in_worker.start, initargs=(setup(),), timeout_s=60) as pool:
        path, body = await pool.call(in_worker.read, INDEX)
        assert path == "/data/7_2_3_0.png"
        assert (np.asarray(Image.open(io.BytesIO(body))) == 7).all()
        with pytest.raises(PluginError, match=r"KeyError: 'colour' \(.*lab_plugins.py:\d+\)"):
            await pool.call(in_worker.read_badly, INDEX)
