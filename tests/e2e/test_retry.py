"""Tasks that were set aside: what the report says of them, and how `retry` goes back to them."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from boss_ingest.local.faults import Hold
from boss_ingest.local.queues import upload_queue
from boss_ingest.local.settings import TILE_BUCKET
from tests.e2e.leases import let_leases_end, without_the_dead
from tests.local_jobs import Client
from tests.volumes import change_job, read_job

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine
    from tests.volumes import Source

BAD = ("z0007_y0_x1.png", "z0009_y1_x0.png")


@pytest.fixture
def spoiled(machine: Machine, slices: Source, tile_job: Path) -> Path:
    """The folder of the job's images, of which one is missing and one is broken."""
    folder = machine.cwd / "slices"
    shutil.copytree(root(slices), folder)
    change_job(tile_job, "client.path_processor.params.root_dir", "slices")
    (folder / BAD[0]).unlink()
    (folder / BAD[1]).write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    return folder


def total(boss: LocalBoss) -> int:
    """Messages of the upload queue that are not deleted."""
    depth = boss.queue_depth(upload_queue(1))
    return depth.visible + depth.in_flight + depth.delayed


def root(slices: Source) -> str:
    found: str = slices.client["path_processor"]["params"]["root_dir"]
    return found


def mend(folder: Path, slices: Source, *names: str) -> None:
    for name in names:
        shutil.copy(f"{root(slices)}/{name}", folder / name)


def report(machine: Machine) -> list[dict[str, Any]]:
    (path,) = (machine.memory / "reports").iterdir()
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_what_was_set_aside_is_reported_mended_gone_back_to_and_the_job_completed(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source, spoiled: Path
) -> None:
    ended = await machine.run("run", tile_job, "--yes")
    assert ended.code == 3, ended.all
    (path,) = (machine.memory / "reports").iterdir()
    assert ended.err.splitlines()[-1] == f"report: {path}"
    assert "come back to it within 2 min" in ended.err
    assert "boss-ingest retry --job-id 1" in ended.err
    assert "the tasks of the job expire " in ended.err
    told = report(machine)
    assert [(line["event"], line["job"], line["attempts"]) for line in told] == [("set aside", 1, 3)] * 2
    assert {line["source"] for line in told} == {f"slices/{name}" for name in BAD}
    assert {(line["z"], line["y"], line["x"]) for line in told} == {(7, 0, 1), (9, 1, 0)}

    mend(spoiled, slices, BAD[0])
    let_leases_end(boss)
    ended = await machine.run("retry", "--job-id", 1)
    assert ended.code == 3, ended.all
    assert f"going back to 2 tiles set aside, as told by {path}" in ended.err
    assert f"slices/{BAD[1]}" in ended.err
    assert "stored now: tile z=7 y=0 x=1" in ended.err
    assert "of 2 tasks set aside before, 1 stored now, 1 failed again" in ended.err
    assert [line["event"] for line in report(machine)[2:]].count("stored") == 1

    mend(spoiled, slices, BAD[1])
    let_leases_end(boss)
    ended = await machine.run("join", "--only-failed", "--job-id", 1)
    assert ended.code == 0, ended.all
    assert "going back to 1 tile set aside" in ended.err
    assert "the job is complete" in ended.out
    await slices.assert_stored(boss)


async def test_other_tasks_are_left_to_others_and_the_job_is_not_completed(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source, spoiled: Path
) -> None:
    """A client is killed with one task set aside and many not begun."""
    hold = Hold()
    boss.faults.add("s3.PutObject", hold, times=None, after=40)
    running = await machine.start("run", tile_job, "--yes", "--concurrency", 4, "--workers", 1)
    await running.says("set aside after 3 tries")
    await hold.arrived.wait()
    running.kill()
    await running.ended()
    hold.release()
    boss.faults.clear()
    let_leases_end(boss)
    aside = {line["z"] for line in report(machine)}
    mend(spoiled, slices, *BAD)
    before = len(boss.objects(TILE_BUCKET))
    ended = await machine.run("retry", "--job-id", 1)
    assert ended.code == 3, ended.all
    assert len(boss.objects(TILE_BUCKET)) == before + len(aside)
    assert "tasks left in the queue for others: " in ended.out
    assert "the job is not completed" in ended.out
    let_leases_end(boss)
    ended = await machine.run("join", "--job-id", 1)
    assert ended.code == 0, ended.all
    await slices.assert_stored(boss)


async def test_a_join_marks_what_it_stores_of_what_was_set_aside(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source, spoiled: Path
) -> None:
    assert (await machine.run("run", tile_job, "--yes", "--attempts", 1)).code == 3
    mend(spoiled, slices, *BAD)
    let_leases_end(boss)
    ended = await machine.run("join", "--job-id", 1)
    assert ended.code == 0, ended.all
    assert [line["event"] for line in report(machine)] == ["set aside"] * 2 + ["stored"] * 2
    assert "of 2 tasks set aside before, 2 stored now" in ended.err


async def test_without_a_report_retry_says_where_it_looked_and_what_to_do(
    machine: Machine, boss: LocalBoss, tile_job: Path
) -> None:
    async with Client(boss) as client:
        await client.create(read_job(tile_job))
    ended = await machine.run("retry", tile_job, "--job-id", 1)
    assert ended.code == 2, ended.all
    assert f"{machine.memory}/reports/1@127.0.0.1_" in ended.err
    assert "--report" in ended.err
    assert "boss-ingest join --job-id 1" in ended.err


async def test_a_report_that_is_named_is_written_and_read_there(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source, spoiled: Path
) -> None:
    ended = await machine.run("run", tile_job, "--yes", "--attempts", 1, "--report", "mine.jsonl")
    assert ended.code == 3, ended.all
    assert len((machine.cwd / "mine.jsonl").read_text().splitlines()) == 2
    assert not (machine.memory / "reports").exists()
    mend(spoiled, slices, *BAD)
    let_leases_end(boss)
    ended = await machine.run("retry", "--job-id", 1, "--report", "mine.jsonl")
    assert ended.code == 0, ended.all
    await slices.assert_stored(boss)


async def test_what_was_made_up_and_converted_is_in_the_report(
    machine: Machine, boss: LocalBoss, tile_job: Path, spoiled: Path, slices: Source
) -> None:
    change_job(tile_job, "client.tile_processor.params.missing", "zeros")
    mend(spoiled, slices, BAD[1])
    ended = await machine.run("run", tile_job, "--yes")
    assert ended.code == 0, ended.all
    (line,) = report(machine)
    assert (line["event"], line["z"]) == ("made up", 7)
    assert BAD[0] in line["what"]
    assert ended.err.splitlines()[-1].startswith("report: ")


async def test_in_the_normal_path_each_tile_is_put_and_indexed_once(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    indexed: list[str] = []
    put: list[str] = []

    def noted(call: Any) -> bool:
        if call.key:
            put.append(call.key)
        bodies = [entry["MessageBody"] for entry in call.params.get("Entries", [])]
        bodies += [call.params["MessageBody"]] if "MessageBody" in call.params else []
        indexed.extend(json.loads(body)["tile_key"] for body in bodies)
        return False

    for operation in ("s3.PutObject", "sqs.SendMessage", "sqs.SendMessageBatch"):
        boss.faults.add(operation, Hold(), match=noted, times=None)
    ended = await machine.run("run", tile_job, "--yes")
    assert ended.code == 0, ended.all
    assert (len(indexed), len(set(indexed))) == (72, 72)
    assert sorted(put) == sorted(indexed)
    assert boss.faults.calls["sqs.SendMessageBatch"] < 72
    await slices.assert_stored(boss)


async def test_a_killed_clients_restart_repeats_only_what_was_in_flight(
    machine: Machine, boss: LocalBoss, tile_job: Path, slices: Source
) -> None:
    """A restart remembers nothing, and the queue hands out only what was not deleted."""
    hold = Hold()
    boss.faults.add("sqs.DeleteMessageBatch", hold, times=None, after=2)
    running = await machine.start("run", tile_job, "--yes", "--concurrency", 4, "--workers", 1)
    await hold.arrived.wait()
    while (left := total(boss)) == 72:  # noqa: ASYNC110 - the batches before the held one are on their way
        await asyncio.sleep(0.01)
    running.kill()
    await running.ended()
    hold.release()
    boss.faults.clear()
    ended = await without_the_dead(boss, machine.run("join", "--job-id", 1, "--progress", "json"))
    assert ended.code == 0, ended.all
    assert 0 < ended.events[-2]["stored"] <= left < 72
    await slices.assert_stored(boss)
