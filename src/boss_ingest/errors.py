"""Every error a user can meet, in one tree.

    IngestError                  something went wrong that we can explain            exit
     ├─ UsageError               the command line asks for what cannot be            2
     ├─ ConfigError              the job file or the channel is not as it must be    4
     ├─ NotAllowedError          token missing or wrong, permission missing          5
     ├─ JobGoneError             the job is cancelled, deleted, failed or expired    6
     ├─ GaveUpError              network or service did not answer for too long      7
     ├─ StopRequestedError       a person, or the batch system, asked us to stop   130
     ├─ ServiceError             one request failed; tells whether to try again
     │   ├─ TransientError       it may work in a moment
     │   │   └─ ThrottledError   it will work if we slow down
     │   ├─ CredentialsError     the keys were not accepted; new ones may be
     │   ├─ QueueGoneError       the queue does not exist (any more)
     │   └─ RefusedError         the service will never accept this request
     └─ TaskError                one task cannot be done; all others go on           3
         ├─ SourceError          the source is not as the job file describes it
         │   ├─ MissingSourceError   it is not there at all
         │   └─ SourceAwayError      its disk or server does not answer now
         ├─ PluginError          the plugin's own code failed, hung or died
         └─ MessageError         the queue message makes no sense for this job

An error says what happened and to which file, key or field (`what`), and what to do now (`hint`).
Its `disposition` says what the engine does with the task that met it; nothing else in the program
decides that.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar


class Disposition(enum.Enum):
    """What becomes of the task that met an error."""

    RETRY = "retry"  # the same work, again, after a moment
    SET_ASIDE = "set aside"  # reported and left in the queue; the other tasks go on
    STOP = "stop"  # nothing more can be done in this job by this client


class ExitCode(enum.IntEnum):
    """How the `boss-ingest` process ends."""

    COMPLETE = 0
    BUG = 1
    USAGE = 2
    SET_ASIDE = 3
    CONFIG = 4
    NOT_ALLOWED = 5
    JOB_GONE = 6
    GAVE_UP = 7
    INTERRUPTED = 130


class IngestError(Exception):
    """Something went wrong that we can explain: `what` happened, and a `hint` on what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG
    disposition: ClassVar[Disposition] = Disposition.STOP

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process."""
        return _rebuild, (type(self), self.__dict__.copy())

    def __str__(self) -> str:
        return f"{self.what}\n  {self.hint}" if self.hint else self.what


def _rebuild(kind: type[IngestError], state: dict[str, object]) -> IngestError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    error.args = (state["what"], state["hint"])
    return error


class UsageError(IngestError):
    """The command line asks for something that cannot be."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a job file: where, what is there, what the rule is, how to mend it."""

    path: str  # JSON path, for example ingest_job.extent.x
    value: str  # what stands there, shortened
    rule: str  # what must be true
    fix: str  # what to write instead

    def __str__(self) -> str:
        found = f" is {self.value}" if self.value else ""
        return f"{self.path}{found}: {self.rule}" + (f"\n    {self.fix}" if self.fix else "")


class ConfigError(IngestError):
    """The job file cannot be used as it is; `problems` holds all that is wrong with it at once."""

    exit_code = ExitCode.CONFIG

    def __init__(self, what: str, *, hint: str = "", problems: tuple[Problem, ...] = ()) -> None:
        super().__init__(what, hint=hint)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *(f"  {problem}" for problem in self.problems)])


class NotAllowedError(IngestError):
    """The token is missing or wrong, or its owner may not do this."""

    exit_code = ExitCode.NOT_ALLOWED


class JobGoneError(IngestError):
    """The job no longer accepts work: cancelled, deleted, failed, or its messages expired."""

    exit_code = ExitCode.JOB_GONE


class GaveUpError(IngestError):
    """The network or a service did not answer for so long that we stopped waiting."""

    exit_code = ExitCode.GAVE_UP


class StopRequestedError(IngestError):
    """A person, or the batch system, asked us to stop before the job was complete."""

    exit_code = ExitCode.INTERRUPTED


class ServiceError(IngestError):
    """One request to the Boss, SQS or S3 failed; the subclass says whether trying again can help."""

    exit_code = ExitCode.GAVE_UP

    def __init__(
        self, what: str, *, hint: str = "", code: str = "", http_status: int = 0, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(what, hint=hint)
        self.code = code
        self.http_status = http_status
        self.retry_after_s = retry_after_s


class TransientError(ServiceError):
    """It may work in a moment: a reset connection, a timeout, a 500."""

    disposition = Disposition.RETRY


class ThrottledError(TransientError):
    """It will work if we slow down: SlowDown, 429, 503."""


class CredentialsError(ServiceError):
    """The temporary keys were not accepted: too new, expired, or revoked."""

    disposition = Disposition.RETRY


class QueueGoneError(ServiceError):
    """The queue does not exist (any more): the job was completed or cancelled elsewhere."""

    exit_code = ExitCode.JOB_GONE


class RefusedError(ServiceError):
    """The service will never accept this request, however often it is sent."""

    exit_code = ExitCode.SET_ASIDE
    disposition = Disposition.SET_ASIDE


class TaskError(IngestError):
    """One task cannot be done; it is set aside after its last try, and all others go on."""

    exit_code = ExitCode.SET_ASIDE
    disposition = Disposition.SET_ASIDE
    source = ""  # the file, or whatever else was read, where that is known


@contextmanager
def of_source(name: str) -> Iterator[None]:
    """Around reading one source: task errors that come out say that it was this one."""
    try:
        yield
    except TaskError as error:
        error.source = error.source or name
        raise


class SourceError(TaskError):
    """The source of one task cannot be read as the job file describes it."""


class MissingSourceError(SourceError):
    """The source of one task is not there at all; "missing" in the job file may say what then."""


class SourceAwayError(SourceError):
    """The disk or server that a source lies on does not answer: its tries are spread over half a minute."""


class PluginError(TaskError):
    """The plugin's own code failed, hung, died, or returned what no plugin may return."""


class MessageError(TaskError):
    """The queue message makes no sense for this job: not JSON, a foreign key, an index out of range."""
