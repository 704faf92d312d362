"""A job file is read as it stands, or everything wrong with it is told at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from boss_ingest.config.extent import CUBOID_ZYX, Extent, Span
from boss_ingest.config.loading import load_job_file, parse_job_file
from boss_ingest.errors import ConfigError, ExitCode, Problem
from tests.job_files import delete, tile_job, volumetric_job, write

SOURCE = Path("job.json")


def refusal(data: Any) -> dict[str, Problem]:
    with pytest.raises(ConfigError) as caught:
        parse_job_file(data, source=SOURCE)
    assert caught.value.exit_code is ExitCode.CONFIG
    assert caught.value.problems
    for problem in caught.value.problems:
        assert problem.rule
        assert problem.fix
        assert "pydantic" not in str(problem)
    paths = [problem.path for problem in caught.value.problems]
    assert len(paths) == len(set(paths))
    return dict(zip(paths, caught.value.problems, strict=True))


def test_a_tile_job_is_read_with_everything_it_says(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps(tile_job()))
    job = load_job_file(path)
    assert job.source == path
    assert job.schema_name == "boss-v0.1-schema"
    assert job.backend.base_url == "https://api.bossdb.io"
    assert (job.database.collection, job.database.experiment, job.database.channel) == ("col", "exp", "ch")
    assert job.path_processor is not None
    assert job.path_processor.class_name == "ingestclient.plugins.stack.ZindexStackPathProcessor"
    assert job.processor is job.tile_processor
    assert job.processor.params == {"extension": "png"}
    assert job.ingest_job.ingest_type == "tile"
    assert job.ingest_job.extent == Extent(Span(0, 2048), Span(0, 2000), Span(16, 56), Span(0, 2))
    assert job.ingest_job.extent.shape_zyx == (40, 2000, 2048)
    assert job.ingest_job.extent.voxels == 2048 * 2000 * 40 * 2
    assert job.ingest_job.tile_size is not None
    assert job.ingest_job.tile_size.x == 1024
    assert job.ingest_job.raw == tile_job()["ingest_job"]


def test_a_volumetric_job_counts_chunks_rounded_up_and_the_cuboids_it_touches() -> None:
    job = parse_job_file(volumetric_job(), source=SOURCE)
    assert job.processor is job.chunk_processor
    assert job.ingest_job.task_count == 2 * 1 * 2
    assert job.ingest_job.cuboid_count == 3 * 2 * 5


def test_a_tile_job_counts_every_slice_of_every_sample() -> None:
    job = parse_job_file(tile_job(), source=SOURCE)
    assert job.ingest_job.task_count == 2 * 2 * 40 * 2
    assert job.ingest_job.cuboid_count == 4 * 4 * 3 * 2


def test_a_port_stays_part_of_the_host() -> None:
    data = write(
        write(tile_job(), "client.backend.host", "127.0.0.1:8123"), "client.backend.protocol", "http"
    )
    backend = parse_job_file(data, source=SOURCE).backend
    assert backend.base_url == "http://127.0.0.1:8123"


def test_a_path_processor_may_be_absent() -> None:
    assert parse_job_file(delete(tile_job(), "client.path_processor"), source=SOURCE).path_processor is None


def test_unknown_keys_are_allowed_and_kept() -> None:
    data = write(write(tile_job(), "ingest_job.comment", "mouse 7"), "source", "scope 2")
    job = parse_job_file(data, source=SOURCE)
    assert job.ingest_job.raw["comment"] == "mouse 7"
    assert job.source == SOURCE


def test_changing_the_raw_object_changes_nothing_for_the_next_reader() -> None:
    job = parse_job_file(tile_job(), source=SOURCE)
    job.ingest_job.raw["extent"]["x"][0] = 99
    assert job.ingest_job.raw == tile_job()["ingest_job"]


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(tile_job()).encode())
    assert load_job_file(path).database.channel == "ch"


def test_parameters_of_plugins_do_not_show_in_the_repr() -> None:
    data = write(tile_job(), "client.tile_processor.params", {"token": "s3cret"})
    assert "s3cret" not in repr(parse_job_file(data, source=SOURCE))


def test_a_missing_file_is_told_with_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no job file .*nowhere\.json") as caught:
        load_job_file(tmp_path / "nowhere.json")
    assert str(Path.cwd()) in caught.value.hint


def test_a_directory_is_no_job_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_job_file(tmp_path)


def test_broken_json_is_told_with_line_column_and_a_caret_below_the_place(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text('{\n  "schema": {},\n  "client": {,}\n}')
    with pytest.raises(ConfigError, match="line 3, column 14") as caught:
        load_job_file(path)
    shown, caret = caught.value.what.splitlines()[1:]
    assert shown[caret.index("^")] == ","


def test_the_caret_finds_its_place_in_a_file_on_one_long_line(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text('{"a": "' + "x" * 500 + '", !}')
    with pytest.raises(ConfigError) as caught:
        load_job_file(path)
    shown, caret = caught.value.what.splitlines()[1:]
    assert shown[caret.index("^")] == "!"
    assert len(shown) < 120


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "not JSON"),
        (b"[1]", "no JSON object"),
        (b"\xff\xfe{}", "not a text in UTF-8"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', 'key "c" twice'),
        (b'{"a": NaN}', "NaN"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_not_a_json_object_is_told_apart(tmp_path: Path, body: bytes, told: str) -> None:
    path = tmp_path / "job.json"
    path.write_bytes(body)
    with pytest.raises(ConfigError, match=told):
        load_job_file(path)


def test_an_empty_object_misses_every_section_at_once() -> None:
    found = refusal({})
    assert {"schema", "client", "database", "ingest_job"} == found.keys()
    assert all(problem.value == "missing" for problem in found.values())


REQUIRED = [
    "schema.name", "schema.validator", "client.backend", "client.backend.name", "client.backend.class",
    "client.backend.host", "client.backend.protocol", "client.path_processor.class",
    "client.path_processor.params", "client.tile_processor", "client.tile_processor.class",
    "database.collection", "database.experiment", "database.channel", "ingest_job.resolution",
    "ingest_job.extent", "ingest_job.extent.x", "ingest_job.extent.t", "ingest_job.tile_size",
    "ingest_job.tile_size.y", "ingest_job.tile_size.t",
]  # fmt: skip


@pytest.mark.parametrize("path", REQUIRED)
def test_each_required_field_is_missed_by_its_path(path: str) -> None:
    found = refusal(delete(tile_job(), path))
    assert found.keys() == {path}
    assert found[path].value == "missing"
    assert path.rpartition(".")[2] in found[path].fix


@pytest.mark.parametrize(
    "path", ["ingest_job.ingest_type", "ingest_job.chunk_size", "client.chunk_processor"]
)
def test_a_volumetric_job_misses_what_it_needs(path: str) -> None:
    assert refusal(delete(volumetric_job(), path))[path].value == "missing"


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("schema.name", "boss-v0.3-schema", 'one of "boss-v0.1-schema" or "boss-v0.2-schema"'),
        ("schema.name", 2, "one of"),
        ("schema.validator", "os.system;import", "one of"),
        ("schema", [], "an object in braces"),
        ("client.backend.class", "OtherBackend", '"BossBackend"'),
        ("client.backend.protocol", "ftp", 'one of "http" or "https"'),
        ("client.backend.host", "https://api.bossdb.io/", "a host name"),
        ("client.backend.host", "https://me:s3cret@boss.example.org", "a host name"),
        ("client.backend.host", 7, "a text in quotes"),
        ("client.tile_processor.class", "", "not empty"),
        ("client.tile_processor.params", "s3cret", "an object in braces"),
        ("database.channel", "my channel", "letters, digits"),
        ("database.collection", "", "letters, digits"),
        ("ingest_job.resolution", "0", "a whole number"),
        ("ingest_job.resolution", True, "a whole number"),
        ("ingest_job.resolution", 0.0, "a whole number"),
        ("ingest_job.resolution", -1, "base_resolution"),
        ("ingest_job.ingest_type", "cubes", 'one of "tile" or "volumetric"'),
        ("ingest_job.extent.x", [0], "exactly two whole numbers"),
        ("ingest_job.extent.x", [0, 1024, 2048], "exactly two whole numbers"),
        ("ingest_job.extent.x", "0:1024", "a list of two whole numbers"),
        ("ingest_job.extent.x", [2048, 0], "start comes before stop"),
        ("ingest_job.extent.z", [16, 16], "empty"),
        ("ingest_job.extent.y", [-512, 512], "coordinates are 0 to"),
        ("ingest_job.extent.y", [0, 2**31], "coordinates are 0 to"),
        ("ingest_job.extent.z", [8, 40], "16 slices of a cuboid"),
        ("ingest_job.extent.x", [512, 2048], "a multiple of tile_size.x"),
        ("ingest_job.tile_size.x", 1000, "multiple of 512"),
        ("ingest_job.tile_size.x", 0, "multiple of 512"),
        ("ingest_job.tile_size.y", -512, "multiple of 512"),
        ("ingest_job.tile_size.t", 0, "one time sample"),
        ("ingest_job.tile_size.z", 16, "one slice"),
    ],
)  # fmt: skip
def test_a_wrong_value_in_a_tile_job_is_told_by_path_and_rule(path: str, value: object, rule: str) -> None:
    found = refusal(write(tile_job(), path, value))
    assert rule in found[path].rule
    assert found[path].value
    assert "s3cret" not in str(found[path])


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        ("schema.name", "boss-v0.1-schema", "needs the schema v0.2"),
        ("ingest_job.extent.t", [0, 3], "time sample 0 alone"),
        ("ingest_job.extent.t", [1, 2], "time sample 0 alone"),
        ("ingest_job.extent.x", [100, 1600], "512 voxels"),
        ("ingest_job.extent.z", [8, 72], "16 voxels"),
        ("ingest_job.chunk_size.x", 1000, "positive multiple of 512"),
        ("ingest_job.chunk_size.z", 8, "positive multiple of 16"),
        ("ingest_job.chunk_size.y", 0, "positive multiple of 512"),
        ("ingest_job.chunk_size.z", "64", "a whole number"),
        ("ingest_job.chunk_size", {"x": 8192, "y": 8192, "z": 176}, "at most 2800 cuboids"),
    ],
)
def test_a_wrong_value_in_a_volumetric_job_is_told_by_path_and_rule(
    path: str, value: object, rule: str
) -> None:
    assert rule in refusal(write(volumetric_job(), path, value))[path].rule


def test_problems_of_every_kind_are_told_together() -> None:
    data = delete(tile_job(), "database.channel")
    for path, value in {
        "ingest_job.resolution": "zero",
        "ingest_job.extent.x": [2048, 0],
        "ingest_job.extent.y": [1],
        "ingest_job.extent.z": [3, 40],
        "ingest_job.tile_size.t": 0,
        "client.backend.host": "http://x",
    }.items():
        data = write(data, path, value)
    assert refusal(data).keys() == {
        "database.channel", "ingest_job.resolution", "ingest_job.extent.x", "ingest_job.extent.y",
        "ingest_job.extent.z", "ingest_job.tile_size.t", "client.backend.host",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "wrong"),
    [("ingest_job.extent", "extnt"), ("ingest_job.tile_size", "tilesize"), ("database.channel", "Channel")],
)
def test_a_missing_key_that_was_misspelt_is_named(path: str, wrong: str) -> None:
    data = tile_job()
    holder, _, key = path.rpartition(".")
    data[holder][wrong] = data[holder].pop(key)
    assert f'"{wrong}" is probably meant' in refusal(data)[path].fix


def test_one_tile_that_spans_its_axis_from_zero_may_have_any_width() -> None:
    data = write(write(tile_job(), "ingest_job.tile_size.x", 796), "ingest_job.extent.x", [0, 796])
    job = parse_job_file(data, source=SOURCE)
    assert job.ingest_job.task_count == 1 * 2 * 40 * 2
    assert refusal(write(data, "ingest_job.extent.x", [0, 797])).keys() == {"ingest_job.tile_size.x"}
    assert refusal(write(data, "ingest_job.extent.x", [796, 1592])).keys() == {"ingest_job.tile_size.x"}


def test_a_volumetric_start_need_only_be_aligned_to_cuboids() -> None:
    data = write(volumetric_job(), "ingest_job.extent.x", [512, 1536])
    assert parse_job_file(data, source=SOURCE).ingest_job.extent.x == Span(512, 1536)


def test_a_v02_tile_job_is_a_tile_job() -> None:
    data = write(tile_job(), "schema", {"name": "boss-v0.2-schema", "validator": "BossValidatorV02"})
    data = write(data, "ingest_job.ingest_type", "tile")
    assert parse_job_file(data, source=SOURCE).ingest_job.ingest_type == "tile"


def test_the_error_reads_as_one_text_with_all_problems() -> None:
    data = write(write(tile_job(), "ingest_job.extent.x", [9, 3]), "ingest_job.tile_size.z", 4)
    with pytest.raises(ConfigError) as caught:
        parse_job_file(data, source=SOURCE)
    text = str(caught.value)
    assert text.startswith("job.json cannot be used: 2 things are wrong with it")
    assert "ingest_job.extent.x is [9, 3]: start comes before stop\n    write [3, 9]" in text


def test_the_job_file_and_the_keys_agree_on_the_cuboid() -> None:
    from boss_ingest.boss import keys

    assert CUBOID_ZYX == keys.CUBOID_ZYX
