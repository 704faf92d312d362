"""From the class names of a job file to classes: found, or told exactly why not."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from boss_ingest.errors import ConfigError
from boss_ingest.plugins.compat import THEIRS
from boss_ingest.plugins.loading import load_source
from boss_ingest.plugins.stack import StackReader
from boss_ingest.plugins.zarr import ZarrReader

STACK_PATH, STACK_TILE = "stack.ZindexStackPathProcessor", "stack.ZindexStackTileProcessor"


PARAMS = {
    "ZindexStackPathProcessor": {"root_dir": "slices", "base_filename": "<>", "extension": "png"},
    "ZarrChunkProcessor": {"cloud_path": "volume.zarr"},
}


def job(processor, path=f"ingestclient.plugins.{STACK_PATH}", ingest_type="tile", **params):
    """As much of a job file as the loader looks at."""
    refs = [
        name and SimpleNamespace(class_name=name, params=PARAMS.get(name.rpartition(".")[2], {}) | given)
        for name, given in ((processor, params), (path, {}))
    ]
    ingest_job = SimpleNamespace(ingest_type=ingest_type)
    return SimpleNamespace(processor=refs[0], path_processor=refs[1], ingest_job=ingest_job)


@pytest.mark.parametrize("prefix", ["ingestclient.plugins", "boss_ingest.plugins"])
def test_our_own_pairs_become_async_readers(prefix):
    loaded = load_source(job(f"{prefix}.{STACK_TILE}", f"{prefix}.{STACK_PATH}"), builtin_only=True)
    assert (loaded.kind, loaded.reader, loaded.builtin, loaded.files) == ("async", StackReader, True, ())
    zarr = f"{prefix}.zarr.ZarrChunkProcessor", f"{prefix}.zarr.ZarrPathProcessor", "volumetric"
    assert load_source(job(*zarr)).reader is ZarrReader


def test_wrong_and_unknown_params_of_ours_are_told_before_anything_runs():
    with pytest.raises(ConfigError) as caught:
        load_source(job(f"ingestclient.plugins.{STACK_TILE}", filesystem="ftp", fail_gracefuly=True))
    told = {problem.path: str(problem) for problem in caught.value.problems}
    assert 'must be "local"' in told["client.tile_processor.params.filesystem"].replace("one of ", "")
    assert 'did you mean "fail_gracefully"?' in told["client.tile_processor.params.fail_gracefuly"]


def test_ours_beside_a_lab_class_stays_classic(lab):
    loaded = load_source(job(f"ingestclient.plugins.{STACK_TILE}", "lab_plugins.SubclassedNames"))
    assert (loaded.kind, loaded.reader, loaded.builtin) == ("classic", None, False)
    assert loaded.files == (lab / "lab_plugins.py",)
    assert loaded.path_class == "lab_plugins.SubclassedNames"


def test_a_lab_reader_needs_no_path_processor(lab):
    loaded = load_source(job("lab_readers.GradientReader", None))
    assert loaded.kind == "async"
    assert loaded.reader is not None
    assert type(loaded.reader()).__name__ == "GradientReader"
    assert loaded.files == (lab / "lab_readers.py",)


def test_ours_needs_no_path_processor_named_where_that_needs_no_params():
    loaded = load_source(job("ingestclient.plugins.zarr.ZarrChunkProcessor", None, "volumetric"))
    assert loaded.reader is ZarrReader
    with pytest.raises(ConfigError, match="root_dir"):
        load_source(job(f"ingestclient.plugins.{STACK_TILE}", None))


def test_a_classic_processor_without_a_path_processor_is_told_what_to_write(lab):
    with pytest.raises(ConfigError, match="TestPassThroughPathProcessor"):
        load_source(job("lab_plugins.LabTiles", None))


def test_any_class_with_the_methods_will_do(lab):
    assert load_source(job("lab_plugins.Duck", "lab_plugins.Duck")).kind == "classic"


def test_foreign_code_is_not_even_imported_when_only_ours_may_run(lab):
    with pytest.raises(ConfigError, match="not part of boss-ingest"):
        load_source(job("raises.Anything"), builtin_only=True)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ingestclient.plugins.stack.ZindexStackTileProcesor", f"did you mean {THEIRS}.{STACK_TILE}"),
        ("boss_ingest.plugins.stak.ZindexStackTileProcessor", f"did you mean {THEIRS}.{STACK_TILE}"),
        ("ingestclient.plugins.tile.TileProcessor", "no such class"),
        ("Tiles", "dotted name"),
        ("no_such_lab.Tiles", "there is no module no_such_lab on PYTHONPATH"),
        ("lab_plugins.more.Tiles", "lab_plugins.more"),
        ("lab_plugins.LabTile", "did you mean lab_plugins.LabTiles"),
        ("lab_plugins.not_a_class", "defines no class not_a_class"),
        ("lab_plugins.NoProcess", "no method process"),
        ("lab_plugins.Abstract", "does not define process"),
        ("lab_plugins.LabChunks", "is a ChunkProcessor, here goes a TileProcessor or TileReader"),
        ("needs_more.Tiles", r"needs_more.py:3 needs no_such_package"),
        ("wants_core.Tiles", r"ingestclient.plugins, with path, tile"),
        ("raises.Tiles", r"RuntimeError: no licence \(.*raises.py:3\)"),
    ],
)
def test_what_is_wrong_with_a_name_is_told(lab, name, says):
    with pytest.raises(ConfigError, match=says) as caught:
        load_source(job(name))
    (problem,) = caught.value.problems
    assert problem.path == "client.tile_processor.class"
    assert problem.value == name


def test_a_syntax_error_is_told_with_its_line(lab, tmp_path, monkeypatch):
    (tmp_path / "broken_lab.py").write_text("x = 1\ndef broken(:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"broken_lab.py:2 is not valid Python"):
        load_source(job("broken_lab.Tiles"))


IN_THE_WORKING_DIRECTORY = """
import sys
from types import SimpleNamespace
from boss_ingest.plugins.compat import THEIRS
from boss_ingest.plugins.loading import load_source
ref = lambda name: SimpleNamespace(class_name=name, params={})
loaded = load_source(SimpleNamespace(
    processor=ref("lab_plugins.LabTiles"), path_processor=ref("lab_plugins.LabPath"),
    ingest_job=SimpleNamespace(ingest_type="tile")))
print(loaded.files[0])
"""


def test_plugins_in_the_working_directory_are_found(lab):
    command = [sys.executable, "-P", "-c", IN_THE_WORKING_DIRECTORY]
    done = subprocess.run(command, cwd=lab, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()) == lab / "lab_plugins.py"


def test_loading_our_own_imports_nothing_heavy():
    code = (
        "import sys; import boss_ingest.plugins.loading; "
        "print([m for m in ('numpy', 'PIL', 'tensorstore', 'botocore', 'ingestclient') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
