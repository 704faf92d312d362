"""The server side of volumetric jobs: every cuboid put in the ingest bucket is copied to where readers look.

Like the Boss's lambda it never looks inside: a buffer that is no cuboid shows only when it is read
(docs/protocol.md, "What the server does").
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from typing import TYPE_CHECKING

from boss_ingest.local.settings import CUBOID_BUCKET, INGEST_BUCKET

if TYPE_CHECKING:
    from boss_ingest.local.activity import Activity
    from boss_ingest.local.objects import StoredObject
    from boss_ingest.local.state import State

_log = logging.getLogger("boss_ingest.local")


class CuboidImport:
    """Imports what `created` announces, and at the start what an earlier process left untagged."""

    def __init__(self, state: State, activity: Activity) -> None:
        self._state = state
        self._activity = activity
        self._created: deque[tuple[str, int]] = deque()
        self._some = asyncio.Event()

    def created(self, key: str, metadata: str | None) -> None:
        """An object was put in the ingest bucket; `metadata` is its user metadata of that name."""
        job_id = _job_id(metadata)
        if job_id is None:
            _log.warning("cuboid %s is not imported: its metadata names no ingest_job", key)
            return
        self._activity.begin(job_id)
        self._created.append((key, job_id))
        self._some.set()

    async def run(self) -> None:
        """Import until cancelled."""
        for key in self._state.objects.untagged(INGEST_BUCKET):
            stored = self._state.objects.get(INGEST_BUCKET, key)
            if stored is not None:
                self.created(key, stored.metadata.get("metadata"))
        while True:
            await self._some.wait()
            self._some.clear()
            while self._created:
                key, job_id = self._created.popleft()
                try:
                    await self._import(key, job_id)
                finally:
                    self._activity.end(job_id)

    async def _import(self, key: str, job_id: int) -> None:
        if await self._state.faults.lost("server.cuboid_import", job_id=job_id, key=key):
            return
        stored: StoredObject | None = self._state.objects.get(INGEST_BUCKET, key)
        if stored is None or stored.tagged:
            return
        self._state.objects.link(stored, bucket=CUBOID_BUCKET, key=f"{key}&0")
        self._state.objects.tag([stored])
        await self._state.database.committed()


def _job_id(metadata: str | None) -> int | None:
    try:
        return int(json.loads(metadata or "")["ingest_job"])
    except (ValueError, KeyError, TypeError):
        return None
