"""A run of the kill tests for every kind of blow, and whether the harness would see a loss."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.settings import Settings
from tests.fault.kill import make_sources
from tests.fault.kill_books import Books
from tests.fault.kill_plan import BLOWS, STAGES, Blow, Plan
from tests.fault.kill_run import play
from tests.local_jobs import NAMES, Client, job_file, png
from tests.volumes import pattern

if TYPE_CHECKING:
    from tests.volumes import Source

SEEDS = {
    Blow.KILL: 6,
    Blow.STOP: 7,
    Blow.TERM: 8,
    Blow.INTERRUPT: 9,
    Blow.BOSS: 10,
    Blow.BOTH: 11,
}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    return make_sources(tmp_path_factory.mktemp("sources"))


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize("blows", [BLOWS[:3], BLOWS[3:]], ids=["first three", "last three"])
async def test_a_job_converges_whoever_is_killed(
    blows: tuple[Blow, ...], sources: dict[str, Source], tmp_path: Path
) -> None:
    """Three at a time: most of it is waiting."""
    plans = [Plan.of(SEEDS[blow]) for blow in blows]
    verdicts = await asyncio.gather(
        *(play(plan, sources[plan.kind], tmp_path / str(plan.seed)) for plan in plans)
    )
    for verdict in verdicts:
        assert not verdict.problems, "\n".join([str(verdict.plan), *verdict.problems])
        assert verdict.struck


def test_a_row_of_seeds_has_every_blow_at_every_stage() -> None:
    plans = [Plan.of(seed) for seed in range(1000, 1000 + len(STAGES) * len(BLOWS))]
    assert {(plan.stage, plan.blow) for plan in plans} == {
        (stage, blow) for stage in STAGES for blow in BLOWS
    }
    assert {(plan.kind, plan.clients) for plan in plans} == {
        (kind, clients) for kind in ("tile", "volumetric") for clients in (1, 2)
    }
    assert [Plan.of(seed) for seed in range(1000, 1010)] == plans[:10]


async def test_the_books_tell_what_was_deleted_but_not_stored(tmp_path: Path) -> None:
    """From outside, while the Boss runs and after it has died."""
    extent = {"x": [0, 512], "y": [0, 512], "z": [0, 3]}
    books = Books(tmp_path / "boss")
    async with LocalBoss(Settings(dir=tmp_path / "boss", populate_s=0.0)) as boss, Client(boss) as client:
        await boss.prepare(**NAMES, datatype="uint8", extent=extent)
        job = await client.start(job_file(tile=(512, 512), **extent))
        assert books.lost() == []
        async with job.clients() as (sqs, s3):
            first, second, _ = await job.receive(sqs)
            await job.put_tile(s3, first, png(pattern((512, 512))))
            for message in (first, second):
                receipt = message["ReceiptHandle"]
                await sqs.delete_message(QueueUrl=job.upload_queue, ReceiptHandle=receipt)
        missing = [json.loads(second["Body"])["tile_key"]]
        assert books.lost() == missing
        assert not books.is_drained()
    assert books.lost() == missing
