"""Declared params: read all at once, told with the nearest right name, shown as JSON's words."""

from typing import Literal

import pytest
from pydantic import Field

from boss_ingest.errors import ConfigError
from boss_ingest.plugins.params import ChunkParams, Param, Params, TileParams, declared


class Sample(TileParams):
    root_dir: str = Field(description="where it is")
    level: int = Field(0, description="how coarse")
    form: Literal["a", "b"] = Field("a", description="which form")
    ratio: float | None = Field(None, description="how much")


def problems_of(params: type[Params], **given: object) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        params.read(given, section="client.tile_processor")
    return {
        problem.path.removeprefix("client.tile_processor.params."): str(problem)
        for problem in caught.value.problems
    }


def test_what_is_right_is_read_and_the_ingest_job_beside_it_left_out() -> None:
    sample = Sample.read({"root_dir": "x", "level": 3, "ingest_job": {"extent": {}}}, section="s")
    assert (sample.root_dir, sample.level, sample.form) == ("x", 3, "a")


def test_all_that_is_wrong_is_told_at_once() -> None:
    told = problems_of(Sample, level="3", form="c", lvel=1)
    assert "must be given" in told["root_dir"]
    assert "is '3': must be a whole number" in told["level"]
    assert 'must be "a" or "b"' in told["form"]
    assert 'did you mean "level"?' in told["lvel"]


@pytest.mark.parametrize("level", [True, 1.0, "1", None])
def test_a_whole_number_is_nothing_else(level: object) -> None:
    assert "level" in problems_of(Sample, root_dir="x", level=level)


def test_an_unknown_param_without_a_near_name_lists_those_there_are() -> None:
    assert "there are pad, convert, missing, root_dir" in problems_of(Sample, root_dir="x", qqq=1)["qqq"]


def test_a_tile_can_not_be_skipped_but_a_chunk_can() -> None:
    assert "missing" in problems_of(TileParams, missing="skip")
    assert ChunkParams.read({"missing": "skip"}, section="s").missing == "skip"


@pytest.mark.parametrize("convert", ["saturate", {"scale": [0.0, 4095.0]}, {"scale": [0, 1]}, None])
def test_conversions_are_taken_as_json_gives_them(convert: object) -> None:
    TileParams.read({"convert": convert}, section="s")


def test_a_declared_param_is_told_in_words_of_json_with_the_common_ones_last() -> None:
    params = declared(Sample)
    assert params[0] == Param("root_dir", "a text", required=True, default="", description="where it is")
    assert params[1] == Param(
        "level", "a whole number", required=False, default="0", description="how coarse"
    )
    assert params[2].type == '"a" or "b"'
    assert params[3].type == "a number"
    assert [param.name for param in params[4:]] == ["pad", "convert", "missing"]
