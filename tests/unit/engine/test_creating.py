"""Making a job while somebody presses Ctrl-C: none is made unawares, and one that may be there is told of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from boss_ingest.boss.client import BossClient
from boss_ingest.config.job_file import JobFile
from boss_ingest.config.loading import parse_job_file
from boss_ingest.engine.creating import create_job
from boss_ingest.engine.stop import Stop
from boss_ingest.errors import StopRequestedError
from tests.job_files import tile_job
from tests.scripted_boss import HANGS, Reply, ScriptedBoss


def job() -> JobFile:
    return parse_job_file(tile_job(), source=Path("job.json"))


async def test_a_stop_before_the_request_makes_no_job(server: ScriptedBoss, boss: BossClient) -> None:
    """On a connection that is open already, a request goes off in its first step."""
    server.answers("GET ingest/", Reply(200, {"ingest_jobs": []}))
    await boss.jobs()
    stop = Stop()
    stop.request()
    with pytest.raises(StopRequestedError, match="before the job was made"):
        await create_job(job(), boss, stop=stop, env={})
    await asyncio.sleep(0.05)
    assert server.lines == ["GET ingest/"]


async def test_a_stop_during_the_request_tells_that_there_may_be_a_job(
    server: ScriptedBoss, boss: BossClient
) -> None:
    server.answers("POST ingest/", HANGS)
    stop = Stop()
    creating = asyncio.create_task(create_job(job(), boss, stop=stop, env={}))
    await server.heard.wait()
    stop.request()
    with pytest.raises(StopRequestedError, match="boss-ingest jobs"):
        await creating


async def test_work_that_is_stopped_has_ended_when_that_is_told() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ended.set()

    stop = Stop()
    asyncio.get_running_loop().call_later(0.01, stop.request)
    with pytest.raises(StopRequestedError):
        await stop.unless(work())
    assert ended.is_set()


async def test_work_that_a_stop_came_before_is_not_begun() -> None:
    begun = asyncio.Event()

    async def work() -> None:
        begun.set()

    stop = Stop()
    stop.request()
    with pytest.raises(StopRequestedError):
        await stop.unless(work())
    assert not begun.is_set()
