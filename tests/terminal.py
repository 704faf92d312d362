"""The real command in a terminal: what it draws, what a person types, and what Ctrl-C does."""

from __future__ import annotations

import asyncio
import fcntl
import os
import re
import struct
import termios
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from tests.command import COMMAND, FAR_TOO_LONG_S, SOON_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.command import Machine

CTRL_C = "\x03"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A terminal of 100 columns with one command in it; `shown` is all it ever drew, without colours."""

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self._process = process
        self._descriptor = descriptor
        self._drawn = b""
        self._changed = asyncio.Event()
        self._closed = False
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    @property
    def shown(self) -> str:
        return _ESCAPES.sub("", self._drawn.decode(errors="replace"))

    @property
    def last_lines(self) -> list[str]:
        """What stands on each line at the end: what a carriage return overwrote is left out."""
        return [line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in self.shown.split("\n")]

    async def shows(self, text: str, *, timeout_s: float = FAR_TOO_LONG_S) -> None:
        """Wait until this text was drawn."""
        try:
            async with asyncio.timeout(timeout_s):
                while text not in self.shown:
                    if self._closed:
                        pytest.fail(f"it ended without showing {text!r}:\n{self.shown}")
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pytest.fail(f"it does not show {text!r}:\n{self.shown}")

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    async def interrupt(self) -> int:
        """Press Ctrl-C, again if need be as a person does, until it ends; returns the exit code."""
        try:
            async with asyncio.timeout(SOON_S):
                while True:
                    self.type(CTRL_C)
                    with suppress(TimeoutError):
                        async with asyncio.timeout(2.0):
                            return await self._process.wait()
        except TimeoutError:
            pytest.fail(f"Ctrl-C does not end it:\n{self.shown}")

    async def ended(self, *, timeout_s: float = FAR_TOO_LONG_S) -> int:
        """Wait for the end of the command; returns its exit code."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._process.wait()
        except TimeoutError:
            pytest.fail(f"it does not end:\n{self.shown}")

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            asyncio.get_running_loop().remove_reader(self._descriptor)
        os.close(self._descriptor)
        with suppress(ProcessLookupError):
            self._process.kill()

    def _read(self) -> None:
        try:
            piece = os.read(self._descriptor, 65536)
        except OSError:  # how a terminal ends
            piece = b""
        self._drawn += piece
        if not piece:
            self._closed = True
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self._changed.set()


@asynccontextmanager
async def terminal(machine: Machine, *args: object) -> AsyncIterator[Terminal]:
    """Run a command on a machine in a terminal that is its controlling one."""
    ours, theirs = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *map(str, args),
        cwd=machine.cwd,
        env=machine.environment | {"TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    screen = Terminal(process, ours)
    try:
        yield screen
    finally:
        screen.close()
        await process.wait()
