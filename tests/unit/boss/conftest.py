"""A scripted Boss on loopback, and a client of it that does not wait between its tries."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from boss_ingest.boss.client import BossClient
from tests.scripted_boss import ScriptedBoss

TOKEN = "s3cret0token"
FOUR_TRIES_S = 1.4  # the pauses between them are 0.2, 0.4 and 0.8 s


@pytest.fixture
def pauses() -> list[float]:
    """How long the client would have waited, each time."""
    return []


@pytest.fixture
async def server() -> AsyncIterator[ScriptedBoss]:
    async with ScriptedBoss() as scripted:
        yield scripted


@pytest.fixture
async def boss(server: ScriptedBoss, pauses: list[float]) -> AsyncIterator[BossClient]:
    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with BossClient(
        server.url,
        SecretStr(TOKEN),
        give_up_s=FOUR_TRIES_S,
        timeout_s=10,
        sleep=sleep,
        clock=lambda: sum(pauses),
        dice=lambda: 1.0,
    ) as client:
        yield client
