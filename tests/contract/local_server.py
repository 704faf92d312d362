"""Our own local Boss, entered from behind: queues and keys of no job, for the contract suites alone."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from boss_ingest.aws.account import Keys
from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.settings import TILE_BUCKET, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from boss_ingest.local.state import State

JOB = 9


@dataclass(frozen=True, slots=True)
class Ground:
    """A running local Boss with an upload and an index queue that nobody else reads, and keys to them."""

    boss: LocalBoss
    state: State
    upload_name: str
    index_name: str

    @property
    def upload_url(self) -> str:
        return self.state.queues.url(self.upload_name)

    @property
    def index_url(self) -> str:
        return self.state.queues.url(self.index_name)

    async def issue(self) -> Keys:
        minted = self.state.credentials.mint(
            job=JOB, bucket=TILE_BUCKET, upload_queue=self.upload_name, index_queue=self.index_name
        )
        return Keys(minted.access_key, SecretStr(minted.secret_key), None)


@asynccontextmanager
async def running_local_boss(directory: Path) -> AsyncIterator[Ground]:
    async with LocalBoss(Settings(dir=directory)) as boss:
        ground = Ground(boss, boss._state, "contract-upload", "contract-index")
        for name in (ground.upload_name, ground.index_name):
            ground.state.queues.create(name, visibility_s=120.0)
        yield ground
