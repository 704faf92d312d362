"""A local Boss with one channel, for every test that wants one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.settings import Settings
from tests.local_jobs import NAMES, Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

EXTENT = {"x": [0, 4096], "y": [0, 4096], "z": [0, 64], "t": [0, 3]}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(dir=tmp_path / "boss", populate_s=0.0, quiet_period_s=0.0)


@pytest.fixture
async def boss(settings: Settings) -> AsyncIterator[LocalBoss]:
    async with LocalBoss(settings) as boss:
        await boss.prepare(**NAMES, datatype="uint8", extent=EXTENT)
        yield boss


@pytest.fixture
async def client(boss: LocalBoss) -> AsyncIterator[Client]:
    async with Client(boss) as client:
        yield client
