"""Ingest jobs as the Boss tells of them: created, listed, joined, asked for their status."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import SecretStr

IngestType: TypeAlias = Literal["tile", "volumetric"]


class JobState(enum.IntEnum):
    """Where a job is in its life: docs/protocol.md, "Job states"."""

    PREPARING = 0
    UPLOADING = 1
    COMPLETE = 2
    DELETED = 3
    FAILED = 4
    COMPLETING = 5
    WAIT_ON_QUEUES = 6

    @property
    def is_final(self) -> bool:
        """Whether nothing will ever happen to the job again."""
        return self in (JobState.COMPLETE, JobState.DELETED, JobState.FAILED)


@dataclass(frozen=True, slots=True)
class Job:
    """One ingest job. Queues are URLs, None where the job has none (any more)."""

    id: int
    collection: str
    experiment: str
    channel: str
    state: JobState
    ingest_type: IngestType
    upload_queue: str | None = None
    ingest_queue: str | None = None
    tile_index_queue: str | None = None
    tile_count: int = 0  # tiles, or chunks of a volumetric job


@dataclass(frozen=True, slots=True)
class JobSummary:
    """One line of the list of jobs. Times are aware, UTC; None when not told."""

    id: int
    collection: str
    experiment: str
    channel: str
    state: JobState
    ingest_type: IngestType
    created_on: datetime | None = None
    completed_on: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """How far a job is. `visible` counts upload messages that no client holds; it is approximate."""

    id: int
    state: JobState
    total: int
    visible: int


@dataclass(frozen=True, slots=True)
class JobCredentials:
    """The job's AWS keys. Their lifetime is not told: docs/protocol.md, "Credentials"."""

    access_key: str = field(repr=False)
    secret_key: SecretStr
    session_token: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """What a client gets to work with. All but `job` may be missing when the job has ended."""

    job: Job
    credentials: JobCredentials | None = None
    tile_bucket: str | None = None
    ingest_bucket: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # opaque; echoed verbatim with every tile

    @property
    def datatype(self) -> str:
        """The channel's datatype, such as `uint8`; "" when the job has ended."""
        return str(self._of_channel("datatype"))

    @property
    def channel_type(self) -> str:
        """`image` or `annotation`; "" when the job has ended."""
        return str(self._of_channel("type"))

    @property
    def lookup_key(self) -> str:
        """The database ids `collection&experiment&channel`; "" when the job has ended."""
        resource = self.settings.get("resource")
        return str(resource.get("lookup_key", "")) if isinstance(resource, Mapping) else ""

    def _of_channel(self, key: str) -> object:
        resource = self.settings.get("resource")
        channel = resource.get("channel") if isinstance(resource, Mapping) else None
        return channel.get(key, "") if isinstance(channel, Mapping) else ""
