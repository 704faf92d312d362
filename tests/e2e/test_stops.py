"""Ctrl-C at any moment: once ends in an orderly way and soon, twice at once, and nothing is lost."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from boss_ingest.local.faults import Hold, Http
from tests.command import SOON_S

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine

QUICK = ("--yes", "--progress", "json", "--concurrency", 4, "--workers", 1)


@pytest.mark.parametrize(
    "moment", ["rest.create", "rest.join", "sqs.ReceiveMessage", "sqs.GetQueueAttributes", "rest.complete"]
)
async def test_one_ctrl_c_is_enough_while_a_service_is_waited_for(
    machine: Machine, boss: LocalBoss, chunk_job: Path, moment: str
) -> None:
    hold = Hold()
    boss.faults.add(moment, hold, times=None)
    running = await machine.start("run", chunk_job, *QUICK)
    await hold.arrived.wait()
    running.signal_all(signal.SIGINT)
    ended = await running.ended(timeout_s=SOON_S)
    assert ended.code == 130, ended.all
    assert "Traceback" not in ended.err
    told = "boss-ingest jobs" if moment == "rest.create" else "boss-ingest join --job-id 1"
    assert told in ended.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_one_signal_is_enough_while_a_boss_that_is_away_is_waited_for(
    machine: Machine, boss: LocalBoss, chunk_job: Path, number: signal.Signals
) -> None:
    away = Hold()
    away.release()  # only to see how often it is asked

    def asked_often(_: object) -> bool:
        if boss.faults.calls["rest.complete"] == 5:
            away.arrived.set()
        return True

    boss.faults.add("rest.complete", Http(502, "detail"), match=asked_often, times=None)
    running = await machine.start("run", chunk_job, *QUICK)
    await away.arrived.wait()
    running.signal_all(number)
    ended = await running.ended(timeout_s=SOON_S)
    assert ended.code == 130, ended.all
    assert "boss-ingest join --job-id 1" in ended.err


@pytest.mark.parametrize("moment", ["s3.PutObject", "sqs.SendMessageBatch", "sqs.DeleteMessageBatch"])
async def test_a_second_ctrl_c_does_not_wait_for_what_hangs(
    machine: Machine, boss: LocalBoss, tile_job: Path, moment: str
) -> None:
    hold = Hold()
    boss.faults.add(moment, hold, times=None)
    running = await machine.start("run", tile_job, *QUICK)
    await hold.arrived.wait()
    running.signal_all(signal.SIGINT)
    await running.says("once more to stop at once")
    running.signal_all(signal.SIGINT)
    ended = await running.ended(timeout_s=SOON_S)
    assert ended.code == 130, ended.all
    assert "boss-ingest join --job-id 1" in ended.err
    assert "Traceback" not in ended.err
