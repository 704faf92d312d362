"""`ingestclient.plugins`, as user plugins import it."""

import importlib
import subprocess
import sys

import pytest

from boss_ingest.plugins import chunk, compat, path, stack, tile


def test_before_the_first_user_plugin_there_is_no_such_package():
    code = "import boss_ingest.plugins.loading, importlib.util as u; print(u.find_spec('ingestclient'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"


def test_user_plugins_get_our_own_class_objects(lab):
    compat.install()
    compat.install()
    lab_plugins = importlib.import_module("lab_plugins")
    assert lab_plugins.PathProcessor is path.PathProcessor
    assert lab_plugins.TileProcessor is tile.TileProcessor
    assert lab_plugins.ChunkProcessor is chunk.ChunkProcessor
    assert issubclass(lab_plugins.SubclassedNames, stack.ZindexStackPathProcessor)
    assert (chunk.XYZ_ORDER, chunk.ZYX_ORDER, chunk.XYZT_ORDER, chunk.TZYX_ORDER) == (0, 1, 2, 3)


def test_every_way_to_import_gives_the_same_module(lab):
    compat.install()
    import ingestclient.plugins.tile as by_name
    from ingestclient.plugins import tile as from_package

    assert by_name is from_package is tile
    assert tile.__name__ == "boss_ingest.plugins.tile"
    assert tile.__spec__ is not None
    assert tile.__spec__.name == "boss_ingest.plugins.tile"


def test_what_we_do_not_have_is_not_there(lab):
    compat.install()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("ingestclient.plugins.no_such_layout")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("ingestclient.core")


def test_ours_covers_an_installed_original_but_leaves_the_rest_of_it(lab, tmp_path, monkeypatch):
    original = tmp_path / "ingestclient"
    (original / "plugins").mkdir(parents=True)
    (original / "core").mkdir()
    for folder in (original, original / "plugins", original / "core"):
        (folder / "__init__.py").write_text(f"ORIGIN = {folder.name!r}\n")
    (original / "plugins" / "tile.py").write_text("class TileProcessor: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert importlib.import_module("ingestclient.plugins.tile").TileProcessor is not tile.TileProcessor
    compat.install()
    assert importlib.import_module("ingestclient.plugins.tile").TileProcessor is tile.TileProcessor
    assert importlib.import_module("ingestclient.core").ORIGIN == "core"
