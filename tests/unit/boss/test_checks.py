"""A job is checked against the channel it goes to before anything is created."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boss_ingest.boss.checks import Destination, check_destination
from boss_ingest.boss.client import BossClient
from boss_ingest.config.loading import parse_job_file
from boss_ingest.errors import ConfigError, NotAllowedError, Problem
from tests.job_files import tile_job, volumetric_job, write
from tests.scripted_boss import Reply, ScriptedBoss, refusal

EXPERIMENT_PATH = "GET collection/col/experiment/exp"
CHANNEL_PATH = f"{EXPERIMENT_PATH}/channel/ch"
MISSING = refusal(404, 4000, "it does not exist.")
DELETED = refusal(404, 4005, "it is marked for deletion")


@pytest.fixture
def destination(server: ScriptedBoss) -> dict[str, dict[str, Any]]:
    """What the Boss tells of the channel, experiment and frame; fields may be changed before the check."""
    told: dict[str, dict[str, Any]] = {
        "channel": {"name": "ch", "experiment": "exp", "type": "image", "datatype": "uint8"},
        "experiment": {"name": "exp", "collection": "col", "coord_frame": "cf", "num_time_samples": 2},
        "frame": {
            "name": "cf", "x_start": 0, "x_stop": 4096, "y_start": 0, "y_stop": 4096, "z_start": 0,
            "z_stop": 100,
        },
    }  # fmt: skip
    server.answers("GET collection/col", Reply(200, {"name": "col"}))
    server.answers(EXPERIMENT_PATH, Reply(200, told["experiment"]))
    server.answers(CHANNEL_PATH, Reply(200, told["channel"]))
    server.answers("GET coord/cf", Reply(200, told["frame"]))
    return told


async def check(boss: BossClient, data: dict[str, Any]) -> Destination:
    return await check_destination(boss, parse_job_file(data, source=Path("job.json")))


async def problems(boss: BossClient, data: dict[str, Any]) -> dict[str, Problem]:
    with pytest.raises(ConfigError, match=r"job\.json cannot be ingested into col/exp/ch") as caught:
        await check(boss, data)
    assert all(problem.rule and problem.fix for problem in caught.value.problems)
    return {problem.path: problem for problem in caught.value.problems}


@pytest.mark.usefixtures("destination")
async def test_a_job_that_fits_its_channel_passes_without_a_word(boss: BossClient) -> None:
    found = await check(boss, tile_job())
    assert (found.channel.datatype, found.experiment.coord_frame, found.frame.name) == ("uint8", "cf", "cf")
    assert found.warnings == ()


@pytest.mark.usefixtures("destination")
@pytest.mark.parametrize("answer", [MISSING, DELETED])
async def test_a_channel_that_is_not_there_is_told(
    server: ScriptedBoss, boss: BossClient, answer: Reply
) -> None:
    server.answers(CHANNEL_PATH, answer)
    found = await problems(boss, tile_job())
    assert found.keys() == {"database.channel"}
    assert ("marked for deletion" in found["database.channel"].rule) == (answer is DELETED)


@pytest.mark.usefixtures("destination")
async def test_a_missing_experiment_is_told_and_a_missing_collection_instead_of_it(
    server: ScriptedBoss, boss: BossClient
) -> None:
    server.answers(EXPERIMENT_PATH, MISSING)
    assert (await problems(boss, tile_job())).keys() == {"database.experiment"}
    server.answers("GET collection/col", MISSING)
    assert (await problems(boss, tile_job())).keys() == {"database.collection"}


@pytest.mark.usefixtures("destination")
async def test_a_channel_one_may_not_read_is_a_matter_of_permissions(
    server: ScriptedBoss, boss: BossClient
) -> None:
    server.answers(CHANNEL_PATH, refusal(403, 3001, "Missing read permissions"))
    with pytest.raises(NotAllowedError):
        await check(boss, tile_job())


@pytest.mark.parametrize(
    ("where", "field", "value", "path", "told"),
    [
        ("channel", "datatype", "uint32", "database.channel", "uint32"),
        ("channel", "storage_type", "cloudvol", "database.channel", "cloudvol"),
        ("channel", "base_resolution", 1, "ingest_job.resolution", "base_resolution is 1"),
        ("experiment", "num_time_samples", 1, "ingest_job.extent.t", "1 time samples"),
        ("frame", "x_stop", 2047, "ingest_job.extent.x", "x from 0 to 2047"),
        ("frame", "z_start", 17, "ingest_job.extent.z", "z from 17 to 100"),
    ],
)
async def test_what_does_not_fit_the_channel_is_told(
    boss: BossClient, destination: dict[str, Any], server: ScriptedBoss,
    where: str, field: str, value: object, path: str, told: str,
) -> None:  # fmt: skip
    destination[where][field] = value
    found = await problems(boss, tile_job())
    assert found.keys() == {path}
    assert told in found[path].rule


async def test_everything_that_does_not_fit_is_told_at_once(
    boss: BossClient, server: ScriptedBoss, destination: dict[str, Any]
) -> None:
    destination["frame"] |= {"y_stop": 100, "z_stop": 20}
    server.answers(CHANNEL_PATH, DELETED)
    data = write(tile_job(), "ingest_job.extent.t", [0, 9])
    assert (await problems(boss, data)).keys() == {
        "database.channel", "ingest_job.extent.y", "ingest_job.extent.z", "ingest_job.extent.t",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"datatype": "uint64"}, "2,147,483,647"),
        ({"type": "annotation"}, "annotations as uint64"),
        ({"downsample_status": "DOWNSAMPLED"}, "downsampled again"),
    ],
)
async def test_what_may_surprise_is_warned_of(
    boss: BossClient, destination: dict[str, Any], changes: dict[str, str], told: str
) -> None:
    destination["channel"].update(changes)
    assert any(told in warning for warning in (await check(boss, tile_job())).warnings)


async def test_a_uint64_channel_is_no_surprise_in_a_volumetric_job(
    boss: BossClient, destination: dict[str, Any]
) -> None:
    destination["channel"].update({"type": "annotation", "datatype": "uint64"})
    assert (await check(boss, volumetric_job())).warnings == ()


async def test_a_channel_that_starts_coarser_has_a_smaller_frame(
    boss: BossClient, destination: dict[str, Any]
) -> None:
    destination["channel"]["base_resolution"] = 2
    found = await check(boss, write(tile_job(), "ingest_job.resolution", 2))
    assert any("ends at 1024" in warning for warning in found.warnings)
