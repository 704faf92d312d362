"""The catalogue: every layout of ours is complete, and another package can add its own."""

import json
from importlib.metadata import EntryPoint

import pytest

from boss_ingest.errors import ConfigError
from boss_ingest.plugins import catalogue
from boss_ingest.plugins.catalogue import Layout, layouts
from boss_ingest.plugins.params import ChunkParams, TileParams
from boss_ingest.plugins.stack import ZindexStackTileProcessor


@pytest.fixture(autouse=True)
def fresh_catalogue():
    catalogue.layouts.cache_clear()
    yield
    catalogue.layouts.cache_clear()


@pytest.mark.parametrize("layout", layouts(), ids=lambda layout: layout.name)
def test_a_layout_of_ours_is_declared_in_full(layout: Layout) -> None:
    assert layout.class_name == f"boss_ingest.plugins.{layout.name}"
    assert layout.reads
    assert issubclass(layout.params, ChunkParams if layout.section == "chunk_processor" else TileParams)
    assert all(param.description for param in [*layout.param_list, *layout.path_param_list])
    json.loads("{" + layout.snippet + "}")


def entry_points_of(value: str):
    return lambda group: [EntryPoint("lab", value, group)] if group == "boss_ingest.plugins" else []


def test_another_package_adds_a_layout_by_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    layout = Layout("lab.Lab", "what the lab has", ZindexStackTileProcessor, TileParams)
    monkeypatch.setattr(catalogue, "LAB_LAYOUT", layout, raising=False)
    monkeypatch.setattr(
        catalogue, "entry_points", entry_points_of("boss_ingest.plugins.catalogue:LAB_LAYOUT")
    )
    assert layouts()[-1] is layout


@pytest.mark.parametrize(
    ("value", "says"),
    [("no_such_module:LAYOUT", "cannot be loaded"), ("boss_ingest.plugins.stack:LAYOUTS", "must be a")],
)
def test_a_package_whose_layout_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str, says: str
) -> None:
    monkeypatch.setattr(catalogue, "entry_points", entry_points_of(value))
    with pytest.raises(ConfigError, match=says):
        layouts()
