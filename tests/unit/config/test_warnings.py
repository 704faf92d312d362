"""What may be meant is allowed, and told."""

from __future__ import annotations

from pathlib import Path

import pytest

from boss_ingest.config.loading import parse_job_file
from boss_ingest.config.rules import problems, warnings
from tests.job_files import tile_job, volumetric_job, write


def told(data: dict[str, object]) -> str:
    job = parse_job_file(data, source=Path("job.json"))
    assert problems(job) == []
    return "\n".join(warnings(job))


def quiet_tile_job() -> dict[str, object]:
    return write(tile_job(), "ingest_job.extent", {"x": [0, 2048], "y": [0, 2048], "z": [0, 48], "t": [0, 1]})


def test_an_aligned_job_has_no_warnings() -> None:
    assert told(quiet_tile_job()) == ""


@pytest.mark.parametrize(
    ("path", "key"),
    [("database.chanel", "channel"), ("ingest_job.tilesize", "tile_size"), ("client.backend.Host", "host")],
)
def test_a_near_miss_of_a_known_key_is_told(path: str, key: str) -> None:
    assert f"{path} is no key of the schema and was ignored; did you mean {key}?" in told(
        write(quiet_tile_job(), path, 1)
    )


def test_a_key_like_no_other_is_not_told() -> None:
    assert told(write(quiet_tile_job(), "ingest_job.operator", "me")) == ""


def test_parameters_of_plugins_are_not_our_business() -> None:
    assert told(write(quiet_tile_job(), "client.tile_processor.params", {"extnt": 1, "classs": 2})) == ""


def test_the_edge_of_a_tile_job_ends_where_its_last_tile_ends() -> None:
    assert "y = 1100 to 2048" in told(write(quiet_tile_job(), "ingest_job.extent.y", [0, 1100]))
    assert "z = 40 to 48" in told(write(quiet_tile_job(), "ingest_job.extent.z", [0, 40]))


def test_the_edge_of_a_volumetric_job_ends_where_its_last_cuboid_ends() -> None:
    text = told(volumetric_job())
    assert "y = 1000 to 1024" in text
    assert "z = 70 to 80" in text
    assert "extent.x" not in text


def test_a_very_large_ingest_mentions_the_group_it_may_need() -> None:
    huge = {"x": [0, 102400], "y": [0, 102400], "z": [0, 3216], "t": [0, 1]}
    assert "bossingest" in told(write(quiet_tile_job(), "ingest_job.extent", huge))


def test_very_large_tiles_are_told() -> None:
    data = write(quiet_tile_job(), "ingest_job.extent.x", [0, 16384])
    data = write(data, "ingest_job.extent.y", [0, 8192])
    assert "out of memory" in told(
        write(data, "ingest_job.tile_size", {"x": 16384, "y": 8192, "z": 1, "t": 1})
    )


def test_a_validator_of_the_other_version_is_told() -> None:
    assert "goes with BossValidatorV01" in told(
        write(quiet_tile_job(), "schema.validator", "BossValidatorV02")
    )
