"""All that a local Boss knows, in one directory: a database, a file for each queue, files for objects."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

from boss_ingest.errors import UsageError
from boss_ingest.local import credentials, job_store, objects, queues, resource_store, tile_index, users
from boss_ingest.local.database import Database
from boss_ingest.local.faults import Faults

if TYPE_CHECKING:
    from boss_ingest.local.settings import Settings

_SCHEMA = "".join(
    part.SCHEMA for part in (credentials, job_store, objects, queues, resource_store, tile_index, users)
)


class State:
    """The stores, opened together. Raises UsageError when another process has them open."""

    def __init__(self, settings: Settings) -> None:
        directory = settings.dir
        directory.mkdir(parents=True, exist_ok=True)
        self.settings = settings
        self.faults = Faults()
        self.null_credentials = settings.null_credentials
        self._lock = sqlite3.connect(directory / "lock.sqlite", isolation_level=None, timeout=0.0)
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            self._lock.close()
            raise UsageError(
                f"another local Boss is running in {directory}", hint="stop it, or choose another directory"
            ) from None
        self.database = Database(directory / "boss.sqlite", _SCHEMA)
        self.users = users.Users(self.database)
        self.resources = resource_store.Resources(self.database)
        self.jobs = job_store.Jobs(self.database)
        self.queues = queues.Queues(directory / "queues", self.database, settings)
        self.objects = objects.Objects(directory / "objects", self.database)
        self.tile_index = tile_index.TileIndex(self.database)
        self.credentials = credentials.Credentials(
            self.database,
            delay_s=settings.credential_delay_s,
            life_s=settings.credential_life_s,
            lag_s=settings.revocation_lag_s,
        )

    async def tidy(self) -> None:
        """Shorten the logs of the databases; drop messages and staged objects that are too old."""
        now = time.time()
        for queue in self.queues.all():
            queue.expire(now - self.settings.retention_s)
            await queue.checkpoint()
        self.objects.expire(
            tagged_before=now - self.settings.tagged_life_s, staged_before=now - self.settings.staged_life_s
        )
        await self.database.checkpoint()

    def close(self) -> None:
        """Commit everything and let go of the directory."""
        self.queues.close()
        self.database.close()
        self._lock.close()
