"""A child of this process: a fresh interpreter in a session of its own, spoken to through its standard pipes.

What both of its ends share, for worker processes and for uploading processes.
"""

from __future__ import annotations

import collections
import faulthandler
import os
import signal
import sys
from contextlib import suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    import io
    import logging
    import subprocess


def command_line(module: str) -> list[str]:
    """What to execute: the `main` of a module, with the import path of this process."""
    boot = f"import sys; sys.path[:] = {sys.path!r}; from {module} import main; main()"
    return [sys.executable, "-P", "-c", boot]


def kill_group(process: subprocess.Popen[bytes] | asyncio.subprocess.Process) -> None:
    """End a child that may be gone already, and those it started, without waiting."""
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def how_it_ended(code: int | None) -> str:
    """The exit code of a child, or the signal that ended it; None is one that did not end."""
    if code is None:
        return "it hung"
    return f"exit code {code}" if code >= 0 else f"signal {-code} ({signal.Signals(-code).name})"


class Output:
    """What a child prints: each line is logged at once, and the last are kept, to be told should it die."""

    def __init__(self, log: logging.Logger, who: str) -> None:
        self._log = log
        self._who = who
        self._last: collections.deque[str] = collections.deque(maxlen=16)

    def take(self, raw: bytes) -> None:
        """The next line."""
        line = raw.decode(errors="backslashreplace").rstrip()
        self._last.append(line)
        self._log.info("%s: %s", self._who, line)

    @property
    def last(self) -> str:
        """The last lines, to be put below what is told; empty when there are none."""
        return "".join(f"\n    {line}" for line in self._last)


def take_over_pipes() -> tuple[IO[bytes], IO[bytes]]:
    """In the child: what the parent says, and what it hears. Whatever else is printed goes to standard error.

    From then on interrupts are the parent's to decide on.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    said, heard = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - os.devnull is no place to look into
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    for stream in (sys.stdout, sys.stderr):
        text: io.TextIOWrapper = stream  # type: ignore[assignment]  # what a fresh interpreter has
        text.reconfigure(line_buffering=True, errors="backslashreplace")
    faulthandler.enable()
    return said, heard
