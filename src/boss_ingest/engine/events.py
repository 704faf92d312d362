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
class BossSilent(Retrying):
    """The Boss has given no usable answer for `failing_s`; without one for `give_up_s` the run ends."""

    failing_s: float
    give_up_s: float


@dataclass(frozen=True, slots=True)
class SetAside:
    """A task failed for the last time; it stays in the queue and the others go on.

    Its message is hidden for `back_s` more seconds, until its lease ends.
    """

    key: str
    message_id: str
    attempts: int
    error: IngestError
    back_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Mended:
    """A task that an earlier run set aside is stored now."""

    key: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Substituted:
    """Missing data was replaced, or `left_out`, because the job file asks for it by name."""

    key: str
    what: str
    message_id: str = ""
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Converted:
    """Values of a tile or chunk were changed, as the job file says how."""

    key: str
    message_id: str


@dataclass(frozen=True, slots=True)
class WontFit:
    """At the pace of all clients together the work takes `needed_s`; its tasks expire in `left_s`."""

    needed_s: float
    left_s: float


@dataclass(frozen=True, slots=True)
class NotRecorded:
    """The report cannot be written; the work goes on without."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class ProcessDied:
    """One of several uploading processes died; another takes its place, its tasks come back to the queue."""

    number: int
    how: str


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
    | BossSilent
    | SetAside
    | Mended
    | Substituted
    | Converted
    | WontFit
    | NotRecorded
    | ProcessDied
    | Stopping
)
Observer = Callable[[Event], None]
