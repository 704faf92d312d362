"""S3 and SQS on a bad day: everything is stored all the same, or the run ends in words and loses nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from boss_ingest.aws import keys
from boss_ingest.errors import GaveUpError
from boss_ingest.local import credentials
from boss_ingest.local.faults import Call, Cut, Delay, Fault, Garbage, Http, Reset
from tests.fault.ground import open_ground

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fault.ground import Ground
    from tests.volumes import Source

JSON = "application/x-amz-json-1.0"
BAD_MOMENTS: list[Fault] = [
    Http(503, "SlowDown"),
    Http(500, "InternalError"),
    Http(403, "InvalidAccessKeyId"),
    Reset("before"),
    Reset("during"),
    Reset("after"),
    Garbage(),
    Garbage(b"", 502),
    Cut(3),
]
SAYS_EMPTY = [  # to a receive; of a batch it tells that entries failed, or nothing about them
    Garbage(b'{"Successful":[],"Failed":[{"Id":"0","Code":"InternalError","SenderFault":false}]}', 200, JSON),
    Garbage(b"{}", 200, JSON),
]
OF_SQS: list[Fault] = [
    Http(400, "InvalidClientTokenId"),
    Http(400, "ThrottlingException"),
    *SAYS_EMPTY,
]


def named(fault: Fault) -> str:
    return "-".join(str(part)[:40] for part in (type(fault).__name__, *vars_of(fault)))


def vars_of(fault: Fault) -> list[object]:
    return [getattr(fault, name) for name in getattr(type(fault), "__slots__", ())][:2]


def assert_stored(ground: Ground, source: Source) -> None:
    stored = ground.stored_tiles()
    assert stored.keys() == set(range(len(source.volume)))
    assert all(np.array_equal(stored[z], image) for z, image in enumerate(source.volume))


@pytest.mark.parametrize("fault", BAD_MOMENTS, ids=named)
async def test_tiles_are_stored_through_a_bad_moment_of_s3(
    fault: Fault, ground: Ground, slices: Source, tile_job: Path
) -> None:
    ground.faults.add("s3.PutObject", fault, times=6)
    run = await ground.ingest(tile_job, manual_complete=True)
    assert run.exit_code == 0, run.error
    assert_stored(ground, slices)
    assert ground.faults.calls["s3.PutObject"] >= 6 + len(slices.volume)
    assert ground.left_in_queue(run.job_id) == 0


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        *[("ReceiveMessage", fault) for fault in [*BAD_MOMENTS, *OF_SQS] if fault not in SAYS_EMPTY],
        *[("DeleteMessageBatch", fault) for fault in [Http(500), Reset("after"), Garbage(), Cut(3), *OF_SQS]],
        *[("SendMessageBatch", fault) for fault in [Reset("after"), Garbage(), Cut(3), *SAYS_EMPTY]],
        *[("GetQueueAttributes", fault) for fault in [Http(500), Reset("before"), Garbage(b"{}", 200, JSON)]],
    ],
    ids=lambda value: value if isinstance(value, str) else named(value),
)
async def test_tiles_are_stored_through_a_bad_moment_of_sqs(
    action: str, fault: Fault, ground: Ground, slices: Source, tile_job: Path
) -> None:
    ground.faults.add(f"sqs.{action}", fault, times=3)
    run = await ground.ingest(tile_job, manual_complete=True, lease_s=2.0)
    assert run.exit_code == 0, run.error
    assert_stored(ground, slices)
    assert ground.left_in_queue(run.job_id) == 0
    assert run.tally.stored == len(slices.volume)
    assert ground.faults.calls[f"sqs.{action}"] > 3


@pytest.mark.parametrize("fault", [Http(503, "SlowDown"), Reset("during"), Reset("after")], ids=named)
async def test_cuboids_are_stored_through_a_bad_moment_of_s3(
    fault: Fault, ground: Ground, volume: Source, chunk_job: Path
) -> None:
    ground.faults.add("s3.PutObject", fault, times=6)
    run = await ground.ingest(chunk_job)
    assert run.exit_code == 0, run.error
    await volume.assert_stored(ground.boss)


async def test_a_storm_of_slow_down_over_a_whole_job_ends_with_every_voxel_in_the_boss(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    storm = iter(range(10**6))
    ground.faults.add("s3.PutObject", Http(503, "SlowDown"), match=lambda _: next(storm) % 4 != 3, times=None)
    run = await ground.ingest(tile_job, lease_s=5.0)
    assert run.exit_code == 0, run.error
    await slices.assert_stored(ground.boss)


async def test_a_slow_answer_holds_up_only_its_own_task(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    ground.faults.add("s3.PutObject", Delay(1.0), times=1)
    run = await ground.ingest(tile_job, manual_complete=True)
    assert run.exit_code == 0
    assert_stored(ground, slices)


async def test_new_keys_that_aws_does_not_know_yet_are_waited_for(
    tmp_path: Path, slices: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_ground(tmp_path, credential_delay_s=10.0) as ground:
        of_aws = SimpleNamespace(time=lambda: float(ground.faults.calls["sqs.ReceiveMessage"]))
        monkeypatch.setattr(credentials, "time", of_aws)  # which lets them in from the tenth request on
        await slices.make_channel(ground.boss)
        run = await ground.ingest(
            slices.write_job(tmp_path / "tiles.json", ground.boss), manual_complete=True
        )
        assert run.exit_code == 0, run.error
        assert_stored(ground, slices)
        joins = ground.faults.calls["rest.join"]
        assert joins <= 3, "asking for more keys makes more users in the Boss's account and helps nobody"
        assert ground.faults.calls["sqs.ReceiveMessage"] > 10, "the trouble was there"


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidAccessKeyId"])
async def test_keys_that_end_in_the_middle_are_renewed_by_one_join_for_all(
    code: str, ground: Ground, slices: Source, tile_job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PROPAGATION_S", 0.5)
    ended, joins_before = set[str](), 0

    def of_the_old_keys(call: Call) -> bool:
        nonlocal joins_before
        key = call.headers["Authorization"].split("Credential=")[1].split("/")[0]
        if not ended:
            ended.add(key)
            joins_before = ground.faults.calls["rest.join"]
        return key in ended

    ground.faults.add("s3.PutObject", Http(400, code), match=of_the_old_keys, times=None)
    run = await ground.ingest(tile_job, manual_complete=True)
    assert run.exit_code == 0, run.error
    assert_stored(ground, slices)
    assert ground.faults.calls["rest.join"] == joins_before + 1


@pytest.mark.parametrize("faults", [["s3.PutObject"], ["sqs.SendMessageBatch", "sqs.ReceiveMessage"]])
async def test_keys_that_are_never_let_in_end_the_run_with_a_clear_word(
    faults: list[str], ground: Ground, slices: Source, tile_job: Path
) -> None:
    for operation in (*faults, "sqs.GetQueueAttributes"):
        ground.faults.add(operation, Http(403, "AccessDenied"), times=None)
    run = await ground.ingest(tile_job, give_up_s=1.0)
    assert isinstance(run.error, GaveUpError)
    assert run.exit_code == 7
    assert "AccessDenied" in str(run.error)
    assert "nothing is lost" in str(run.error)
    assert ground.left_in_queue(run.job_id) == len(slices.volume)


async def test_one_cuboid_that_s3_refuses_keeps_its_message_while_the_others_are_stored(
    ground: Ground, volume: Source, chunk_job: Path
) -> None:
    """Then the trouble ends, and joining again completes the job."""
    job_id = await ground.create(chunk_job)
    last: Callable[[Call], bool] = lambda call: call.key.endswith("&5")  # noqa: E731 - one line says it best
    ground.faults.add("s3.PutObject", Http(400, "EntityTooLarge"), match=last, times=None)
    run = await ground.ingest(chunk_job, job_id)
    assert run.exit_code == 3
    assert {key.rsplit("&", 1)[1] for key in ground.stored_cuboids()} == {"0", "1", "4"}
    assert ground.left_in_queue(job_id) == 1
    (event,) = run.tally.set_aside.first
    assert "&5" in event.error.what, "the key is named"

    ground.faults.clear()
    ground.end_leases(job_id)
    assert (await ground.ingest(chunk_job, job_id)).exit_code == 0
    await volume.assert_stored(ground.boss)


async def test_deliveries_that_come_twice_are_stored_once(tmp_path: Path, slices: Source) -> None:
    async with open_ground(tmp_path, duplicate_rate=1.0, shuffled=True) as ground:
        await slices.make_channel(ground.boss)
        run = await ground.ingest(slices.write_job(tmp_path / "tiles.json", ground.boss))
        assert run.exit_code == 0, run.error
        assert run.tally.stored == len(slices.volume)
        await slices.assert_stored(ground.boss)


async def test_index_messages_that_the_boss_loses_are_found_by_its_verification(
    tmp_path: Path, slices: Source
) -> None:
    """Back to uploading, with new messages for the tiles that are missing."""
    async with open_ground(tmp_path, lost_index_rate=0.3, seed=3) as ground:
        await slices.make_channel(ground.boss)
        run = await ground.ingest(slices.write_job(tmp_path / "tiles.json", ground.boss))
        assert run.exit_code == 0, run.error
        assert run.tally.stored > len(slices.volume)
        await slices.assert_stored(ground.boss)
