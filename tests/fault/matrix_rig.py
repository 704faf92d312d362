"""What a row of the matrix runs in: a local Boss behind the fault proxy, a small volume, and an auditor.

The volumes have 12 tasks and partial edges; the images of tiles are whole, so no pixel must be touched.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
from pydantic import SecretStr

from boss_ingest.aws import keys, s3, sqs
from boss_ingest.boss.client import BossClient
from boss_ingest.config.job_file import JobFile
from boss_ingest.config.loading import load_job_file
from boss_ingest.config.server_form import server_form
from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.job_store import State
from boss_ingest.local.queue_store import QueueGone
from boss_ingest.local.settings import Settings
from tests.fault.ground import Ground, Run
from tests.fault.matrix_audit import Audit
from tests.fault.proxy import FaultProxy
from tests.fault.waits import shorten_waits
from tests.volumes import Source, pattern, slices_source, zarr_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

Kind = Literal["tile", "volumetric"]
KINDS: tuple[Kind, ...] = ("tile", "volumetric")

ANSWER_LIMIT_S = 1.0
"""What is 60 s for S3, the Boss and 30 s for SQS."""

QUICK: dict[str, Any] = {"workers": 1, "memory_bytes": 256 << 20, "lease_s": 2.0, "give_up_s": 30.0}


class Rig:
    """One job's world. `proxy` is the only way to the Boss for the engine; we have others."""

    def __init__(self, ground: Ground, proxy: FaultProxy, source: Source, kind: Kind, seed: int) -> None:
        self.ground, self.proxy, self.source, self.kind, self.seed = ground, proxy, source, kind, seed
        self.boss, self.faults = ground.boss, ground.faults
        self.file = source.write_job(ground.folder / "job.json", proxy.url)
        self.job: JobFile = load_job_file(self.file)
        self.tasks = self.job.ingest_job.task_count
        self.job_id = 0
        self.audits: list[Audit] = []
        self.minted = 0  # sets of keys, each of which is a user in a real Boss's account
        mint = self.boss._state.credentials.mint

        def counted(**job: Any) -> Any:
            self.minted += 1
            return mint(**job)

        self.boss._state.credentials.mint = counted  # type: ignore[method-assign]  # an auditor's ear

    async def create(self) -> None:
        """Make a job of the job file, and set the auditor on it."""
        async with self.other_client() as other:
            self.job_id = (await other.create(server_form(self.job))).id
        size = self.job.ingest_job.chunk_size
        chunk_zyx = (size.z, size.y, size.x) if size else (0, 0, 0)
        self.audits.append(
            Audit(self.boss, self.job_id, extent=self.job.ingest_job.extent, chunk_zyx=chunk_zyx)
        )

    async def ingest(self, **options: Any) -> Run:
        """Join the job and work on it."""
        return await self.ground.ingest(self.file, self.job_id, **QUICK | options)

    def lift(self) -> None:
        """The trouble ends, and what clients that are gone held comes back to the queue."""
        self.proxy.clear()
        self.faults.clear()
        if self.left is not None:
            self.ground.end_leases(self.job_id)

    @property
    def left(self) -> int | None:
        """Messages of the upload queue; None when it is not filled yet, or gone."""
        try:
            filled = self.boss._state.jobs[self.job_id].state != State.PREPARING
            return self.ground.left_in_queue(self.job_id) if filled else None
        except QueueGone:
            return None

    @property
    def audit(self) -> Audit:
        """Of the job that was made last."""
        return self.audits[-1]

    async def cancel(self) -> None:
        """As somebody else would, past the proxy."""
        async with self.other_client() as other:
            await other.cancel(self.job_id)

    def other_client(self) -> BossClient:
        return BossClient(self.boss.url, SecretStr(self.boss.token))

    async def voxels(self) -> tuple[int, int]:
        """Lost and wrong voxels: those that are 0 and should not be, and those that are something else."""
        stored, wanted = await self.source.stored(self.boss), self.source.wanted
        different = stored != wanted
        lost = int((different & (stored == 0)).sum())
        return lost, int(different.sum()) - lost


@asynccontextmanager
async def open_rig(kind: Kind, seed: int, settings: dict[str, Any]) -> AsyncIterator[Rig]:
    """Everything from scratch but the source."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        knobs = {"populate_s": 0.0, "quiet_period_s": 0.02, "seed": seed} | settings
        async with (
            LocalBoss(Settings(dir=folder / "boss", **knobs)) as boss,
            FaultProxy(boss.url, seed=seed) as proxy,
            BossClient(proxy.url, SecretStr(boss.token), timeout_s=ANSWER_LIMIT_S, sleep=_moment) as client,
        ):
            boss._state.queues.origin = proxy.url
            source = _kept[kind]
            await source.make_channel(boss)
            yield Rig(Ground(boss, client, folder), proxy, source, kind, seed)


async def _moment(_: float) -> None:
    await asyncio.sleep(0.01)


_kept: dict[Kind, Source] = {}


def keep_sources_in(folder: Path) -> None:
    """Write the sources below this folder, for all rows of this process."""
    _kept.clear()
    own = folder / f"sources-{os.getpid()}"
    own.mkdir()
    _kept["volumetric"] = zarr_source(own / "volume.zarr", pattern((40, 520, 1030)), (1024, 512, 16))
    whole = slices_source(own / "slices", pattern((3, 1024, 1024)), 512)
    extent = {"x": [0, 700], "y": [0, 600], "z": [0, 3], "t": [0, 1]}
    _kept["tile"] = Source(whole.volume, whole.client, whole.ingest_job | {"extent": extent})


@contextmanager
def short_patience() -> Iterator[None]:
    """The times of the engine in milliseconds; the counts stay."""
    with pytest.MonkeyPatch.context() as patch:
        shorten_waits(patch)
        patch.setattr(s3, "_ANSWER_LIMIT_S", ANSWER_LIMIT_S)
        patch.setattr(sqs, "_ANSWER_LIMIT_S", ANSWER_LIMIT_S)
        patch.setitem(sqs.Sqs.call.__kwdefaults__, "limit_s", ANSWER_LIMIT_S)
        patch.setattr(keys, "PROPAGATION_S", 0.5)
        patch.setattr(keys, "_PROVEN_S", 1.0)
        yield
