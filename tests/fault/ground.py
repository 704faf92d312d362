"""A local Boss to break things in, and the engine working on a job there, in this process."""

from __future__ import annotations

import asyncio
import io
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from PIL import Image
from pydantic import SecretStr

from boss_ingest.boss.client import BossClient
from boss_ingest.boss.keys import TileKey
from boss_ingest.config.loading import load_job_file
from boss_ingest.config.server_form import server_form
from boss_ingest.engine.events import Event, SetAside
from boss_ingest.engine.life import Outcome, ingest
from boss_ingest.engine.options import Options
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.upload import Work
from boss_ingest.errors import IngestError
from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.settings import INGEST_BUCKET, TILE_BUCKET, Settings
from boss_ingest.plugins.loading import load_source
from tests.doubles.impatient_stop import ImpatientStop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from numpy.typing import NDArray

    from boss_ingest.local.objects import StoredObject

T = TypeVar("T")


@dataclass(slots=True)
class Run:
    """How one client's work on a job went."""

    job_id: int
    tally: Tally
    events: list[Event]
    outcome: Outcome | None = None
    error: IngestError | None = None

    @property
    def exit_code(self) -> int:
        return self.error.exit_code if self.error else self.outcome.exit_code if self.outcome else -1

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def set_aside(self) -> dict[int, str]:
        """What was said of the tiles that were set aside, by slice."""
        return {TileKey.decode(event.key).z: str(event.error) for event in self.of(SetAside)}


class Ground:
    """A Boss, a client of it, and a folder."""

    def __init__(self, boss: LocalBoss, client: BossClient, folder: Path) -> None:
        self.boss, self.client, self.folder = boss, client, folder
        self.faults = boss.faults
        self.stop = ImpatientStop()

    async def create(self, job: Path) -> int:
        return (await self.client.create(server_form(load_job_file(job)))).id

    async def ingest(self, job: Path, job_id: int | None = None, **options: Any) -> Run:
        """Create the job, unless it is there, and work on it until the engine is done with it."""
        loaded = load_job_file(job)
        if job_id is None:
            job_id = await self.create(job)
        run = Run(job_id, Tally(), [])
        defaults: dict[str, Any] = {"workers": 1, "memory_bytes": 256 << 20, "give_up_s": 60.0}
        work = Work(
            loaded,
            load_source(loaded),
            Options(**defaults | options),
            run.tally,
            run.events.append,
            self.stop,
        )
        try:
            run.outcome = await ingest(work, self.client, job_id)
        except IngestError as error:
            run.error = error
        return run

    def left_in_queue(self, job_id: int) -> int:
        depth = self.boss.queue_depth(self.queue_name(job_id))
        return depth.visible + depth.in_flight + depth.delayed

    def end_leases(self, job_id: int) -> None:
        """As if 170 seconds went by."""
        self.boss._state.queues.get(self.queue_name(job_id)).release()

    @staticmethod
    def queue_name(job_id: int) -> str:
        return f"local-boss-upload-{job_id}"

    def stored_tiles(self) -> dict[int, NDArray[Any]]:
        """The images in the tile bucket, by slice."""
        return {TileKey.decode(each.key).z: _image(each) for each in self.boss.objects(TILE_BUCKET)}

    def stored_cuboids(self) -> set[str]:
        return {each.key for each in self.boss.objects(INGEST_BUCKET)}


def _image(stored: StoredObject) -> NDArray[Any]:
    return np.asarray(Image.open(io.BytesIO(stored.read())))


@asynccontextmanager
async def open_ground(folder: Path, **settings: Any) -> AsyncIterator[Ground]:
    quick: dict[str, Any] = {"populate_s": 0.0, "quiet_period_s": 0.02}
    async with LocalBoss(Settings(dir=folder / "boss", **quick | settings)) as boss:
        slept_s = 0.0

        async def pause(_: float) -> None:
            nonlocal slept_s
            slept_s += 0.01
            await asyncio.sleep(0.01)

        async with BossClient(
            boss.url, SecretStr(boss.token), give_up_s=2.0, sleep=pause, clock=lambda: slept_s
        ) as client:
            yield Ground(boss, client, folder)
