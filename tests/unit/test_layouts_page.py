"""docs/layouts.md and examples/ know every layout there is, and none that there isn't."""

import json
import re
from pathlib import Path

import pytest

from boss_ingest.config.loading import load_job_file
from boss_ingest.plugins.catalogue import Layout, layouts

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "layouts.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("layout", layouts(), ids=lambda layout: layout.name)
def test_a_layout_stands_on_the_page_and_its_example_is_there(layout: Layout) -> None:
    assert f"`{layout.name}`" in PAGE
    if layout.example:
        job = json.loads((ROOT / "examples" / layout.example).read_text(encoding="utf-8"))
        named = job["client"][layout.section]["class"].split(".")
        assert named[-2] == layout.name.partition(".")[0]  # of the same family


def test_the_page_names_no_layout_that_is_not_there() -> None:
    assert set(re.findall(r"`(\w+\.\w+(?:Processor|Reader))`", PAGE)) == {layout.name for layout in layouts()}


def test_every_example_on_the_page_is_there_and_every_example_is_on_the_page() -> None:
    named = set(re.findall(r"\(\.\./examples/([\w-]+\.json)\)", PAGE))
    assert named == {path.name for path in (ROOT / "examples").glob("*.json")}


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.json")), ids=lambda path: path.name)
def test_every_example_is_a_right_job_file(path: Path) -> None:
    load_job_file(path)
