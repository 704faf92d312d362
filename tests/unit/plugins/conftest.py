"""Lets the tests of plugins import the lab's plugins, and leaves the import system as it was."""

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "plugins_fixture"


@pytest.fixture
def lab(monkeypatch):
    """The folder of user plugins, on sys.path; whatever the test imports is forgotten after it."""
    before, finders = set(sys.modules), list(sys.meta_path)
    monkeypatch.syspath_prepend(str(FOLDER))
    yield FOLDER
    sys.meta_path[:] = finders
    for name in set(sys.modules) - before:
        if name.partition(".")[0] in ("ingestclient", *(file.stem for file in FOLDER.iterdir())):
            del sys.modules[name]
