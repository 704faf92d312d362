"""A scripted Boss on loopback, a client of it that does not wait between tries, and polls that are quick."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from boss_ingest.boss.client import BossClient
from boss_ingest.engine import finish
from tests.doubles.impatient_stop import ImpatientStop
from tests.scripted_boss import ScriptedBoss


@pytest.fixture
def stop() -> ImpatientStop:
    return ImpatientStop()


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ScriptedBoss]:
    monkeypatch.setattr(finish, "_FIRST_POLL_S", 0.001)
    monkeypatch.setattr(finish, "_LAST_POLL_S", 0.001)
    async with ScriptedBoss() as scripted:
        yield scripted


@pytest.fixture
async def boss(server: ScriptedBoss) -> AsyncIterator[BossClient]:
    slept_s: list[float] = []

    async def sleep(seconds: float) -> None:
        slept_s.append(seconds)
        await asyncio.sleep(0)

    async with BossClient(
        server.url,
        SecretStr("t0ken"),
        give_up_s=1.5,
        timeout_s=10,
        sleep=sleep,
        clock=lambda: sum(slept_s),
        dice=lambda: 1.0,
    ) as client:
        yield client
