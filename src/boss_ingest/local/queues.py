"""The queues of all jobs: their names, their URLs, and which of them exist."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from boss_ingest.local.queue_store import Queue, QueueGone
from boss_ingest.local.settings import ACCOUNT, DOMAIN

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.local.database import Database
    from boss_ingest.local.settings import Settings

SCHEMA = """
CREATE TABLE IF NOT EXISTS queues (name TEXT PRIMARY KEY, secret BLOB NOT NULL, visibility_s REAL NOT NULL);
"""


def upload_queue(job_id: int) -> str:
    """Name of the queue of tasks."""
    return f"{DOMAIN}-upload-{job_id}"


def ingest_queue(job_id: int) -> str:
    """Name of the queue of complete chunks of tiles; clients cannot reach it."""
    return f"{DOMAIN}-ingest-{job_id}"


def index_queue(job_id: int) -> str:
    """Name of the queue of uploaded tiles."""
    return f"{DOMAIN}-{job_id}-index"


def dead_letter_queue(job_id: int) -> str:
    """Name of the queue of tile index messages that failed three times."""
    return f"{DOMAIN}-{job_id}-index-dlq"


def error_queue(job_id: int) -> str:
    """Name of the queue of tiles that were replaced by black."""
    return f"{DOMAIN}-{job_id}-error"


class Queues:
    """Every queue that exists. Names are stored and URLs made from them, so a Boss may change its port."""

    def __init__(self, directory: Path, database: Database, settings: Settings) -> None:
        self._directory = directory
        self._database = database
        self._settings = settings
        self._open: dict[str, Queue] = {}
        self.origin = ""
        directory.mkdir(exist_ok=True)
        for name, secret, visibility_s in database.read("SELECT name, secret, visibility_s FROM queues"):
            self._open[name] = self._queue(name, secret, visibility_s)
        for path in directory.iterdir():
            if path.name.partition(".")[0] not in self._open:
                path.unlink()  # of a queue that was deleted when the process died

    def create(self, name: str, *, visibility_s: float) -> Queue:
        """Create a queue, or find it as it is."""
        if name not in self._open:
            secret = secrets.token_bytes(16)
            self._database.write("INSERT INTO queues VALUES (?, ?, ?)", (name, secret, visibility_s))
            self._open[name] = self._queue(name, secret, visibility_s)
        return self._open[name]

    def get(self, name: str) -> Queue:
        """The queue of this name. Raises QueueGone."""
        try:
            return self._open[name]
        except KeyError:
            raise QueueGone(name) from None

    def delete(self, name: str) -> None:
        """Delete a queue and all its messages. Raises QueueGone."""
        queue = self.get(name)
        del self._open[name]
        queue.close()
        self._database.write("DELETE FROM queues WHERE name = ?", (name,))
        self._database.after_commit(queue.remove_file)

    def all(self) -> list[Queue]:
        """Every queue."""
        return list(self._open.values())

    def filling_path(self, name: str) -> Path:
        """Where the messages of a queue are written before it takes them over."""
        return self._directory / f"{name}.filling"

    def url(self, name: str) -> str:
        """The URL of a queue on this server as it runs now."""
        return f"{self.origin}/{ACCOUNT}/{name}"

    def close(self) -> None:
        """Let go of all files."""
        for queue in self._open.values():
            queue.close()

    def _queue(self, name: str, secret: bytes, visibility_s: float) -> Queue:
        upload = name.startswith(f"{DOMAIN}-upload-")
        return Queue(
            self._directory / f"{name}.sqlite",
            name=name,
            secret=secret,
            visibility_s=visibility_s,
            longest_visibility_s=self._settings.longest_visibility_s if upload else math.inf,
            duplicate_rate=self._settings.duplicate_rate if upload else 0.0,
            seed=self._settings.seed,
        )


def queue_name(url: str) -> str:
    """The name in a queue URL, whatever host and port stand before it."""
    account, _, name = urlsplit(url).path.lstrip("/").partition("/")
    return name if account == ACCOUNT else url
