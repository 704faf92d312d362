"""What happens during a job, told to whoever watches: the words are the watcher's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from boss_ingest.errors import IngestError


@dataclass(frozen=True, slots=True)
class Preparing:
    """The Boss is filling the upload queue; asked again in `wait_s`."""

    job_id: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class Uploading:
    """Tasks are being taken; `total` is what the Boss counts for the whole job."""

    job_id: int
    total: int


@dataclass(frozen=True, slots=True)
class Drained:
    """Nothing is left in the upload queue but what was set aside here."""

    job_id: int


@dataclass(frozen=True, slots=True)
class WaitingForOthers:
    """Messages are out with other clients, or come back when their leases end."""

    in_flight: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The Boss wants some quiet before it goes on."""

    why: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class Verifying:
    """The Boss checks what it has, and cleans up."""

    job_id: int


@dataclass(frozen=True, slots=True)
class BackToUploading:
    """The Boss found work left to do."""

    why: str


@dataclass(frozen=True, slots=True)
class Completed:
    """The Boss says that the job is complete."""

    job_id: int


@dataclass(frozen=True, slots=True)
class Retrying:
    """A request or a read failed and is done again in `wait_s`."""

    what: str
    error: IngestError
    wait_s: float


@dataclass(frozen=True, slots=True)
class SetAside:
    """A task failed for the last time; it stays in the queue and the others go on."""

    key: str
    message_id: str
    attempts: int
    error: IngestError


@dataclass(frozen=True, slots=True)
class Substituted:
    """Missing data was replaced because the job file asks for it by name."""

    key: str
    what: str


@dataclass(frozen=True, slots=True)
class Stopping:
    """A stop was asked for: what is in flight may finish."""

    in_flight: int


Event = (
    Preparing
    | Uploading
    | Drained
    | WaitingForOthers
    | Waiting
    | Verifying
    | BackToUploading
    | Completed
    | Retrying
    | SetAside
    | Substituted
    | Stopping
)
Observer = Callable[[Event], None]
