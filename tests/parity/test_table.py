"""docs/differences.md as a whole: no row about what is not compared, and no class that is not compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from boss_ingest.plugins.catalogue import layouts
from tests.parity.comparing import compared
from tests.parity.table import declared

pytestmark = pytest.mark.peer

ORIGINALS = {
    "stack.ZindexStack": 1,
    "catmaid.Catmaid": 3,
    "catmaid.Catmain": 1,
    "multipage_tiff.": 2,
    "hdf5.": 5,
    "intern.": 2,
    "cloudvolume.": 1,
    "zarr.": 1,
    "tile.Test": 2,
}
"""How many classes that read the original has, by the beginnings of their names."""


def test_every_row_and_every_class_of_the_original_is_compared(request: pytest.FixtureRequest) -> None:
    here = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    run = {item.path.name for item in request.session.items if item.path.parent == Path(__file__).parent}
    if here != run or request.config.option.keyword or request.session.testsfailed:
        pytest.skip("only after all others of this folder")
    if not compared:
        pytest.skip("nothing was compared: `make parity` installs the original")
    assert {(each.plugin, each.case) for each in declared()} <= compared, "rows about cases that are none"
    classes = {plugin for plugin, _ in compared}
    assert classes <= {layout.name for layout in layouts()}
    for beginning, number in ORIGINALS.items():
        assert len([name for name in classes if name.startswith(beginning)]) == number, beginning
