"""`--builtin-plugins-only`: no line of anybody else's code runs, not even an import's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Machine
    from tests.fault.ground import Ground

FOREIGN = """
from pathlib import Path
Path({trace!r}).write_text("this code has run")
from boss_ingest.plugins.stack import *
class Paths(ZindexStackPathProcessor): pass
class Tiles(ZindexStackTileProcessor): pass
"""


@pytest.fixture
def trace(machine: Machine) -> Path:
    """What exists once foreign code has run: in the working directory, or of an installed package."""
    trace = machine.directory / "trace"
    code = FOREIGN.format(trace=str(trace))
    (machine.cwd / "foreign.py").write_text(code)
    (machine.cwd / "foreign_package").mkdir()
    (machine.cwd / "foreign_package/__init__.py").write_text(code)
    (machine.cwd / "foreign_package/tiles.py").write_text(code)
    installed = machine.directory / "installed"
    (installed / "foreign_layouts-1.0.dist-info").mkdir(parents=True)
    (installed / "foreign_layouts.py").write_text(code)
    metadata = "Metadata-Version: 2.1\nName: foreign-layouts\nVersion: 1.0\n"
    (installed / "foreign_layouts-1.0.dist-info/METADATA").write_text(metadata)
    entry = "[boss_ingest.plugins]\nforeign = foreign_layouts:Tiles\n"
    (installed / "foreign_layouts-1.0.dist-info/entry_points.txt").write_text(entry)
    machine.env["PYTHONPATH"] = str(installed)
    return trace


def has_run(trace: Path) -> bool:
    return trace.exists()


def name_classes(job: Path, **classes: str) -> None:
    written = json.loads(job.read_text())
    for section, name in classes.items():
        written["client"][section]["class"] = name
    job.write_text(json.dumps(written))


@pytest.mark.parametrize(
    "classes",
    [
        {"tile_processor": "foreign.Tiles"},
        {"path_processor": "foreign.Paths"},
        {"tile_processor": "foreign_package.tiles.Tiles", "path_processor": "foreign.Paths"},
        {"tile_processor": "foreign_layouts.Tiles"},
        {"tile_processor": "os.system"},
        {"tile_processor": "boss_ingest.plugins.stack.importlib.Tiles"},
        {"tile_processor": "ingestclient.plugins...foreign.Tiles"},
    ],
    ids=lambda classes: "+".join(classes.values()),
)
@pytest.mark.parametrize("command", ["run", "join"])
async def test_a_foreign_class_is_refused_before_anything_is_imported(
    command: str, classes: dict[str, str], ground: Ground, machine: Machine, tile_job: Path, trace: Path
) -> None:
    words = ["--yes"] if command == "run" else ["--job-id", str(await ground.create(tile_job))]
    name_classes(tile_job, **classes)
    ended = await machine.run(command, tile_job, *words, "--builtin-plugins-only")
    assert ended.code == 4, ended.all
    assert next(iter(classes.values())) in ended.err
    assert not has_run(trace)


async def test_our_own_run_and_installed_layouts_of_others_are_not_imported(
    ground: Ground, machine: Machine, tile_job: Path, trace: Path
) -> None:
    ended = await machine.run("run", tile_job, "--yes", "--builtin-plugins-only")
    assert ended.code == 0, ended.all
    assert not has_run(trace)
    assert len(ground.stored_tiles()) == 4


async def test_without_the_option_foreign_code_runs_and_its_files_are_told(
    ground: Ground, machine: Machine, tile_job: Path, trace: Path
) -> None:
    machine.env.clear()  # the layout of the installed package is none
    name_classes(tile_job, tile_processor="foreign.Tiles")
    ended = await machine.run("run", tile_job, "--yes")
    assert ended.code == 0, ended.all
    assert has_run(trace)
    assert str(machine.cwd / "foreign.py") in ended.err
