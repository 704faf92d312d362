"""Files under the folder a job file names: paths that stay inside it, and bytes read off the event loop.

Here is also how it is noticed that a file changes while it is read.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Self

from boss_ingest.errors import MissingSourceError, SourceAwayError, SourceError
from boss_ingest.plugins.outages import kind_of
from boss_ingest.plugins.read_threads import read_in_thread, read_small_in_thread

READ_TIMEOUT_S = 100.0
"""A file that takes longer comes too late for its task anyway, which is leased for less than 180 s."""


class ChangedSourceError(SourceError):
    """A file is no longer the one that was opened. What was read of it is thrown away; a new try opens it."""


@dataclass(frozen=True, slots=True)
class Version:
    """What tells a file from what it becomes when it is written to, or another takes its place.

    Blind to a change within one tick of the file system's clock (milliseconds) that leaves the size as it is.
    """

    device: int
    inode: int
    size_bytes: int
    changed_ns: int

    @classmethod
    def of(cls, file: str | int) -> Self:
        """Of a path, or of an open file by its number. Raises OSError."""
        found = os.stat(file)  # noqa: PTH116 - a Path knows no open files
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    def check(self, file: str | int, *, name: str) -> None:
        """Raises ChangedSourceError when it is another now, OSError."""
        if Version.of(file) != self:
            raise changed(name)


def changed(name: str) -> ChangedSourceError:
    """The error for a file that is not what it was."""
    return ChangedSourceError(
        f"{name} changed while it was read",
        hint="is something still writing it? let that end first",
    )


@contextmanager
def was_there() -> Iterator[None]:
    """Around reading a file that was there when the job began: where it is gone, nothing may be made up."""
    try:
        yield
    except MissingSourceError as error:
        raise SourceAwayError(
            error.what, hint="it was there when the job began: is its disk still mounted?"
        ) from error


class Folder:
    """`root_dir`, and whether files outside it may be read (`"allow_outside_root": true`).

    A relative root counts from the working directory, as it always did.
    """

    def __init__(self, root_dir: str, *, allow_outside: bool = False) -> None:
        self.root_dir = root_dir
        self._allow_outside = allow_outside
        self._real_root = ""

    def join(self, name: str) -> str:
        """The path of `name` under the root, as text: looks at no disk."""
        return os.path.join(self.root_dir, name)  # noqa: PTH118 - the very string the original client makes

    def check(self, path: str) -> None:
        """See where the path ends up, links followed; blocks. Raises SourceError outside of the root."""
        if self._allow_outside:
            return
        real = Path(path).resolve()
        if not real.is_relative_to(Path(self.root_dir).resolve()):
            raise SourceError(
                f"{path} lies outside of root_dir {self.root_dir!r}: it is {real}",
                hint='if that is intended, set `"allow_outside_root": true` '
                "under client.path_processor.params",
            )

    async def read(self, path: str, *, most_bytes: int) -> bytes:
        """The whole file, checked and read in a thread. Raises SourceError naming it.

        A file of more than `most_bytes` is refused unread.
        """
        with _too_slow(path):
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await read_small_in_thread(self._read, path, most_bytes)

    async def check_in_time(self, path: str) -> None:
        """As `check`, in a thread, and that the root is there.

        Raises SourceError, also when it takes too long.
        """
        with _too_slow(path):
            async with asyncio.timeout(READ_TIMEOUT_S):
                await read_in_thread(self._check_all, path)

    def _check_all(self, path: str) -> None:
        self._check_root(path)
        self.check(path)

    def _check_root(self, path: str) -> None:
        """Without its root, as when a disk is no longer mounted, no file is merely missing."""
        if self.root_dir and not Path(self.root_dir).is_dir():
            raise SourceAwayError(
                f"{path} cannot be read: there is no folder {self.root_dir}",
                hint="is its disk mounted? else correct root_dir under client.path_processor.params",
            )

    def _check_opened(self, file: int, path: str) -> None:
        """As `check`, of a file that is open: in one call of the system where that tells where it lies."""
        if self._allow_outside:
            return
        try:
            real = os.readlink(f"/proc/self/fd/{file}")  # noqa: PTH115 - on all of a Path's own, too slow
        except OSError:
            real = ""
        if not self._real_root:
            self._real_root = os.path.join(Path(self.root_dir).resolve(), "")  # noqa: PTH118 - ends in a slash
        if not real.startswith(self._real_root):
            self.check(path)  # which also knows a root that has moved

    def _read(self, path: str, most_bytes: int) -> bytes:
        """In few calls of the system: at each of them the interpreter may go to another thread."""
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a Path takes as long as the reading
                self._check_opened(file.fileno(), path)
                version = Version.of(file.fileno())
                size_bytes = version.size_bytes
                body = b"" if size_bytes > most_bytes else _all_of(file, size_bytes, most_bytes)
                version.check(file.fileno(), name=path)
        except OSError as error:
            with suppress(OSError):
                self.check(path)
            self._check_root(path)
            raise unreadable(path, error) from error
        if max(size_bytes, len(body)) > most_bytes:
            raise SourceError(
                f"{path} has more than {most_bytes} bytes, too many for the image of one tile",
                hint="cut it into one image a tile, or correct ingest_job.tile_size",
            )
        return body


def _all_of(file: FileIO, size_bytes: int, most_bytes: int) -> bytes:
    """To its end, but no more than one byte too many; what is said of its size may be wrong."""
    body = file.read(size_bytes + 1)
    while body and len(body) != size_bytes and len(body) <= most_bytes:
        more = file.read(most_bytes + 1 - len(body))
        if not more:
            break
        body += more
    return body


@contextmanager
def _too_slow(path: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise SourceError(
            f"{path} could not be read within {READ_TIMEOUT_S:g} s",
            hint="is the disk or its server overloaded?",
        ) from error


def unreadable(path: str, error: OSError) -> SourceError:
    """The error for a file the system does not let us read."""
    hint = "check root_dir, base_filename and extension under client.path_processor.params"
    kind = kind_of(error.errno)
    return kind(
        f"{path} cannot be read: {error.strerror or error}",
        hint=hint if kind is MissingSourceError else "",
    )
