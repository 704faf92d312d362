"""The end of one tile job as a Boss plays it: quiet period, verification, and back when tiles are missing."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from boss_ingest.boss.completion import Completed, Completion, QueueNotEmpty, Verifying, Wait
from boss_ingest.boss.jobs import JobState, JobStatus
from tests.doubles.upload_rig import message, slice_of

if TYPE_CHECKING:
    from tests.doubles.upload_rig import TileRig

QUIET_S = 180.0
VERIFYING_S = 20.0


class MemoryBoss:
    """What `finish` asks of a Boss, about the job of a rig; its time is the event loop's.

    It sees no more than a real one does: visible messages, not those that clients hold, and only chunks of
    which some tile was indexed (docs/protocol.md, "Completing").
    """

    def __init__(self, rig: TileRig) -> None:
        self.state = JobState.UPLOADING
        self.lost: set[int] = set()  # slices whose index messages had no effect so far
        self._rig = rig
        self._since_s = 0.0

    async def complete(self, job_id: int) -> Completion:
        """One request to complete."""
        now_s = asyncio.get_running_loop().time()
        if self.state is JobState.COMPLETE:
            return Completed()
        if self.state is JobState.COMPLETING:
            return Verifying()
        if (await self.status(job_id)).visible:
            self.state = JobState.UPLOADING
            return QueueNotEmpty()
        if self.state is JobState.UPLOADING:
            self.state, self._since_s = JobState.WAIT_ON_QUEUES, now_s
            return Wait(self.state, QUIET_S, "quiet")
        if now_s < self._since_s + QUIET_S:
            return Wait(self.state, self._since_s + QUIET_S - now_s, "quiet")
        self.state, self._since_s = JobState.COMPLETING, now_s
        return Verifying()

    async def status(self, job_id: int) -> JobStatus:
        """One request for the status; verification ends when enough time has gone by."""
        if self.state is JobState.COMPLETING:
            await self._verify()
        gone = self.state is JobState.COMPLETE
        return JobStatus(
            job_id, self.state, self._rig.tiles, 0 if gone else (await self._rig.upload.depth()).visible
        )

    async def _verify(self) -> None:
        if asyncio.get_running_loop().time() < self._since_s + VERIFYING_S:
            return
        indexed = {slice_of(json.loads(body)["tile_key"]) for body in self._rig.index.bodies} - self.lost
        missing = set(range(self._rig.tiles)) - indexed if indexed else set()
        self.lost.clear()
        for z in sorted(missing):
            await self._rig.upload.send(message(z))
        self.state = JobState.UPLOADING if missing else JobState.COMPLETE
        if not missing:
            self._rig.upload.delete()
