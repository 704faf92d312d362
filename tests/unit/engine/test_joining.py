"""Joining: patient while the Boss prepares, bounded where it gives no keys, strict about which job it is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from boss_ingest.boss.client import BossClient
from boss_ingest.boss.jobs import Job, JobState, Joined
from boss_ingest.config.job_file import JobFile
from boss_ingest.config.loading import parse_job_file
from boss_ingest.engine import events, joining
from boss_ingest.engine.joining import check_same_job, check_storable, join_when_ready, keys_of
from boss_ingest.errors import ConfigError, ExitCode, GaveUpError, JobGoneError, StopRequestedError
from tests.doubles.impatient_stop import ImpatientStop
from tests.job_files import tile_job, volumetric_job, write
from tests.scripted_boss import HANGS, Reply, ScriptedBoss, refusal
from tests.unit.engine.boss_answers import CANCELLED, NO_QUEUE, NO_SUCH_JOB, joined, status


async def join(boss: BossClient, stop: ImpatientStop, seen: list[events.Event] | None = None) -> Joined:
    observe = (seen if seen is not None else []).append
    async with asyncio.timeout(60):
        return await join_when_ready(boss, 7, then=boss, stop=stop, observe=observe)


async def test_a_job_that_is_prepared_is_joined_until_it_is_uploading(
    server: ScriptedBoss, boss: BossClient, stop: ImpatientStop
) -> None:
    preparing = joined(0, keys=False)
    server.answers("GET ingest/7", *[preparing] * 20, joined(1))
    seen: list[events.Event] = []
    answer = await join(boss, stop, seen)
    assert answer.job.state is JobState.UPLOADING
    assert keys_of(answer).access_key == "AKIA7"
    assert [type(event) for event in seen] == [events.Preparing] * 20
    assert stop.slept_s == sorted(stop.slept_s), "patience grows"
    assert max(stop.slept_s) == 5.0


async def test_a_job_that_is_never_prepared_is_given_up(
    server: ScriptedBoss, boss: BossClient, stop: ImpatientStop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where filling the queue fails in some ways, the Boss leaves it PREPARING for good."""
    monkeypatch.setattr(joining, "_LONGEST_PREPARING_S", 0.05)
    server.answers("GET ingest/7", joined(0, keys=False))
    with pytest.raises(GaveUpError, match="boss-ingest cancel --job-id 7"):
        await join(boss, stop)


@pytest.mark.parametrize("datatype", ["uint32", ""])
def test_a_channel_that_the_boss_cannot_store_is_refused(datatype: str) -> None:
    settings = {"resource": {"channel": {"datatype": datatype}}}
    theirs = Job(7, "col", "exp", "ch", JobState.UPLOADING, "tile", tile_count=320)
    with pytest.raises(ConfigError, match="cannot store"):
        check_storable(Joined(theirs, settings=settings))


async def test_a_live_job_is_joined_once(server: ScriptedBoss, boss: BossClient, stop: ImpatientStop) -> None:
    """Each join makes the Boss create an AWS user."""
    server.answers("GET ingest/7", joined(1))
    await join(boss, stop)
    assert server.lines == ["GET ingest/7"]


async def test_a_join_without_keys_is_tried_again(
    server: ScriptedBoss, boss: BossClient, stop: ImpatientStop
) -> None:
    server.answers("GET ingest/7", joined(1, keys=False), joined(1, keys=False), joined(1))
    assert (await join(boss, stop)).credentials is not None
    assert len(stop.slept_s) == 2, "the original asked again without a pause"


async def test_joins_without_keys_are_bounded(
    server: ScriptedBoss, boss: BossClient, stop: ImpatientStop
) -> None:
    server.answers("GET ingest/7", joined(1, keys=False))
    with pytest.raises(GaveUpError, match="gives no keys") as caught:
        await join(boss, stop)
    assert len(server.asked) < 10
    assert "cancel" in caught.value.hint


@pytest.mark.parametrize("state", [5, 6])
async def test_a_job_that_only_needs_finishing_needs_no_keys(
    server: ScriptedBoss, boss: BossClient, stop: ImpatientStop, state: int
) -> None:
    server.answers("GET ingest/7", joined(state, keys=False))
    assert (await join(boss, stop)).job.state == state


async def test_a_complete_tile_job_that_refuses_to_be_joined_is_complete(
    server: ScriptedBoss, boss: BossClient, stop: ImpatientStop
) -> None:
    server.answers("GET ingest/7", NO_QUEUE)
    server.answers("GET ingest/7/status", status(2))
    server.answers("GET ingest/", Reply(200, {"ingest_jobs": []}))
    assert (await join(boss, stop)).job.state is JobState.COMPLETE


@pytest.mark.parametrize(
    "reply",
    [
        CANCELLED,
        NO_SUCH_JOB,
        joined(3, keys=False),
        joined(4, keys=False),
        refusal(400, 9001, "Error generating ingest job messages Delete the ingest job with id 7"),
    ],
)
async def test_a_job_that_is_no_more_is_gone(
    server: ScriptedBoss, boss: BossClient, stop: ImpatientStop, reply: Reply
) -> None:
    server.answers("GET ingest/7", reply)
    server.answers("GET ingest/7/status", status(3))
    with pytest.raises(JobGoneError) as caught:
        await join(boss, stop)
    assert caught.value.exit_code is ExitCode.JOB_GONE


@pytest.mark.parametrize("reply", [joined(0, keys=False), HANGS])
async def test_a_stop_ends_the_wait(
    server: ScriptedBoss, boss: BossClient, stop: ImpatientStop, reply: Reply
) -> None:
    server.answers("GET ingest/7", reply)
    async with asyncio.timeout(60):
        running = asyncio.create_task(join(boss, stop))
        asyncio.get_running_loop().call_later(0.05, stop.request)
        with pytest.raises(StopRequestedError):
            await running


def job(kind: dict | None = None) -> JobFile:
    return parse_job_file(kind or tile_job(), source=Path("job.json"))


def theirs(**changes: object) -> Joined:
    ours = job()
    facts = {
        "id": 7,
        "collection": "col",
        "experiment": "exp",
        "channel": "ch",
        "state": JobState.UPLOADING,
        "ingest_type": "tile",
        "tile_count": ours.ingest_job.task_count,
    }
    return Joined(Job(**(facts | changes)))  # type: ignore[arg-type]  # facts of many types


def test_the_job_file_a_job_was_made_from_is_accepted() -> None:
    check_same_job(theirs(), job())


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("database.collection", {"collection": "other"}),
        ("database.experiment", {"experiment": "other"}),
        ("database.channel", {"channel": "other"}),
        ("ingest_job.ingest_type", {"ingest_type": "volumetric"}),
    ],
)
def test_another_job_s_file_is_refused_by_field(path: str, changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        check_same_job(theirs(**changes), job())
    assert [problem.path for problem in caught.value.problems] == [path]
    assert caught.value.exit_code is ExitCode.CONFIG


def test_a_file_of_another_size_is_refused_with_both_counts() -> None:
    smaller = job(write(tile_job(), "ingest_job.extent.z", [16, 32]))
    with pytest.raises(ConfigError) as caught:
        check_same_job(theirs(), smaller)
    (problem,) = caught.value.problems
    assert str(smaller.ingest_job.task_count) in problem.value
    assert str(job().ingest_job.task_count) in problem.rule


def test_a_volumetric_file_for_a_tile_job_is_refused() -> None:
    with pytest.raises(ConfigError):
        check_same_job(theirs(), job(volumetric_job()))


def test_of_a_job_that_ended_and_is_in_no_list_the_names_are_not_known() -> None:
    ended = theirs(collection="", experiment="", channel="", state=JobState.COMPLETE)
    check_same_job(ended, job())
