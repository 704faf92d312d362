"""What the parent of several uploading processes and its children say to each other, and how.

Pickles of the dataclasses below, each after its length, through the child's standard input and output.
The keys of the job go this way too, and so stand in no argument, environment or file.
"""

from __future__ import annotations

import asyncio
import pickle
import struct
from dataclasses import dataclass, field
from typing import IO

from boss_ingest.aws.keys import Keys
from boss_ingest.boss.jobs import Joined
from boss_ingest.config.job_file import JobFile
from boss_ingest.engine import events
from boss_ingest.engine.options import Options
from boss_ingest.engine.pipeline import End
from boss_ingest.engine.siblings import Siblings
from boss_ingest.engine.tally import Counts
from boss_ingest.engine.uploader import Access
from boss_ingest.errors import CredentialsError, IngestError, TaskError

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, slots=True)
class Begin:
    """To a child, first of all: what it works on, and how matters stand. `joined` has no keys in it."""

    job: JobFile
    builtin_only: bool
    options: Options
    joined: Joined
    access: Access
    keys: Keys
    siblings: Siblings
    log_level: int
    wanted: frozenset[str] = frozenset()  # as in `Wanted`
    wanted_alone: bool = False
    set_aside: tuple[str, ...] = field(default=(), repr=False)  # message ids


@dataclass(frozen=True, slots=True)
class Run:
    """To a child: take tasks until there are none; it answers `Ended` or `Failed`."""


@dataclass(frozen=True, slots=True)
class Drain:
    """To a child: take no more tasks and finish those in work."""


@dataclass(frozen=True, slots=True)
class Drop:
    """To a child: let go of what is in work."""


@dataclass(frozen=True, slots=True)
class Close:
    """To a child: no more will be asked; it sends what waits to be sent, and ends."""


@dataclass(frozen=True, slots=True)
class NewKeys:
    """To a child: the keys to use from now on."""

    keys: Keys


@dataclass(frozen=True, slots=True)
class Renewed:
    """To a child: the answer to `Refused`, after the keys if there are others."""

    error: IngestError | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """To a child: what others did with a task, set aside with its message or, without, stored."""

    key: str
    message_id: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """To a child: what the queue answered to another."""

    visible: int
    in_flight: int


@dataclass(frozen=True, slots=True)
class OthersBusy:
    """To a child: whether any other has tasks in work."""

    busy: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """From a child: its source, queues and bucket are open."""


@dataclass(frozen=True, slots=True)
class Progress:
    """From a child: all it counted so far, and what happened since it last told."""

    counts: Counts
    events: tuple[events.Event, ...] = ()
    left: Left | None = None  # when it last asked
    set_aside_back_s: float = 0.0  # until the last of what it set aside comes back to the queue


@dataclass(frozen=True, slots=True)
class Refused:
    """From a child: AWS does not take its keys."""

    error: CredentialsError


@dataclass(frozen=True, slots=True)
class Ended:
    """From a child: it has come to rest."""

    end: End


@dataclass(frozen=True, slots=True)
class Failed:
    """From a child: an error that ends the whole run."""

    error: IngestError


@dataclass(frozen=True, slots=True)
class Broken:
    """From a child: a mistake in our code."""

    what: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Said:
    """From a child: a line for the log."""

    logger: str
    level: int
    text: str


ToChild = Begin | Run | Drain | Drop | Close | NewKeys | Renewed | Elsewhere | Left | OthersBusy
FromChild = Ready | Progress | Refused | Ended | Failed | Broken | Said


def pack(message: ToChild | FromChild) -> bytes:
    """A message as it goes through a pipe."""
    pickled = pickle.dumps(message, protocol=5)
    return _LENGTH.pack(len(pickled)) + pickled


def read(pipe: IO[bytes]) -> ToChild:
    """The next message to a child; blocks. Raises EOFError when there is none any more."""
    message: ToChild = pickle.loads(_exactly(pipe, *_LENGTH.unpack(_exactly(pipe, _LENGTH.size))))  # noqa: S301 - our parent's
    return message


async def hear(pipe: asyncio.StreamReader) -> FromChild:
    """The next message from a child. Raises EOFError when there is none any more."""
    (length,) = _LENGTH.unpack(await pipe.readexactly(_LENGTH.size))
    message: FromChild = pickle.loads(await pipe.readexactly(length))  # noqa: S301 - our child's
    return message


def portable(error: IngestError) -> IngestError:
    """The error as one of ours: a plugin may have made a class of its own, which the parent need not know."""
    kind = next(each for each in type(error).__mro__ if each.__module__.startswith("boss_ingest."))
    if kind is type(error):
        return error
    plain: IngestError = kind(str(error.what), hint=str(error.hint))
    if isinstance(plain, TaskError) and isinstance(error, TaskError):
        plain.source = str(error.source)
    return plain


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data
