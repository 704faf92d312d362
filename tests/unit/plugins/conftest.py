"""Lets the tests of plugins import the lab's plugins, and leaves the import system as it was."""

import sys
from pathlib import Path

import pytest

from boss_ingest.plugins import compat

FOLDER = Path(__file__).parents[2] / "plugins_fixture"
NAMES = {"ingestclient", *(file.stem for file in FOLDER.iterdir())}


def _take_out_user_plugins():
    """Forget what user plugins have brought into this process; returns what was forgotten."""
    return {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in NAMES}


@pytest.fixture
def lab(monkeypatch):
    """The folder of user plugins, on sys.path, as if none had been loaded before; all is put back after."""
    monkeypatch.syspath_prepend(str(FOLDER))
    finders, loaded_before = list(sys.meta_path), _take_out_user_plugins()
    sys.meta_path[:] = [finder for finder in finders if not isinstance(finder, compat._Finder)]
    yield FOLDER
    sys.meta_path[:] = finders
    _take_out_user_plugins()
    sys.modules.update(loaded_before)
