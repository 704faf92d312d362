"""The real command, `python -m boss_ingest …`, on a computer of its own: its home, its working directory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMAND = (sys.executable, "-m", "boss_ingest")

FAR_TOO_LONG_S = 300.0
"""Some hundred times what any command here takes on an idle machine: it hangs."""

SOON_S = 25.0
"""Without waiting for any answer, of which the first is given up after 30 s: also on a busy machine."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit code, and all it said."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        """Both outputs, to show when an assertion fails."""
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    @property
    def events(self) -> list[dict[str, Any]]:
        """Standard output as JSON lines; fails when one is not."""
        return [json.loads(line) for line in self.out.splitlines()]


class Running:
    """A command that was started. `lines` is what it said so far, on both outputs, as it arrived."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self._said: dict[str, list[str]] = {"out": [], "err": []}
        self._changed = asyncio.Condition()
        self._readers = [
            asyncio.create_task(self._read(stream, name))
            for name, stream in (("out", process.stdout), ("err", process.stderr))
        ]

    @property
    def pid(self) -> int:
        return self.process.pid

    async def until(self, wanted: Callable[[str], bool], *, timeout_s: float = FAR_TOO_LONG_S) -> str:
        """Wait for a line; fails the test when the command ends without it."""
        seen = 0
        async with asyncio.timeout(timeout_s), self._changed:
            while True:
                for line in self.lines[seen:]:
                    if wanted(line):
                        return line
                seen = len(self.lines)
                if all(reader.done() for reader in self._readers):
                    pytest.fail("it ended without saying what was waited for:\n" + "\n".join(self.lines))
                await self._changed.wait()

    async def says(self, text: str, *, timeout_s: float = FAR_TOO_LONG_S) -> str:
        """Wait for a line with this text in it."""
        return await self.until(lambda line: text in line, timeout_s=timeout_s)

    async def has_stored(self, tasks: int) -> None:
        """Wait for a JSON progress line that tells of so many stored tasks."""

        def enough(line: str) -> bool:
            return line.startswith("{") and json.loads(line).get("stored", 0) >= tasks

        await self.until(enough)

    def signal_all(self, number: signal.Signals) -> None:
        """Send a signal to the command and its children in its process group, as a terminal does."""
        os.killpg(self.pid, number)

    def kill(self) -> None:
        self.process.kill()

    async def ended(self, *, timeout_s: float = FAR_TOO_LONG_S) -> Ended:
        """Wait for its end; one that does not come fails the test."""
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*self._readers)
                code = await self.process.wait()
        except TimeoutError:
            pytest.fail(f"it does not end; it said:\n{chr(10).join(self.lines)}")
        return Ended(code, *("".join(self._said[name]) for name in ("out", "err")))

    async def _read(self, stream: asyncio.StreamReader | None, name: str) -> None:
        assert stream is not None
        async for raw in stream:
            line = raw.decode()
            async with self._changed:
                self._said[name].append(line)
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        async with self._changed:
            self._changed.notify_all()


@dataclass
class Machine:
    """One computer of one user, who keeps the Boss's token where intern keeps it."""

    directory: Path
    token: str = ""
    env: dict[str, str] = field(default_factory=dict)
    _started: list[Running] = field(default_factory=list)

    def __post_init__(self) -> None:
        for folder in (self.home, self.cwd):
            folder.mkdir(parents=True, exist_ok=True)
        if self.token:
            (self.home / ".intern").mkdir(exist_ok=True)
            (self.home / ".intern/intern.cfg").write_text(f"[Default]\ntoken = {self.token}\n")

    @property
    def home(self) -> Path:
        return self.directory / "home"

    @property
    def cwd(self) -> Path:
        return self.directory / "cwd"

    @property
    def memory(self) -> Path:
        """Where boss-ingest keeps its logs and what it remembers of jobs."""
        return self.directory / "memory"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        own = {"HOME": str(self.home), "BOSS_INGEST_HOME": str(self.memory), "PYTHONUNBUFFERED": "1"}
        return inherited | own | self.env

    async def start(self, *args: object, cwd: Path | None = None, answer: str | None = "") -> Running:
        """Start boss-ingest; `answer` is what it reads on standard input."""
        return await self._start([*COMMAND, *map(str, args)], cwd=cwd, answer=answer)

    async def _start(self, command: list[str], *, cwd: Path | None, answer: str | None) -> Running:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd or self.cwd,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None
        if answer is not None:
            process.stdin.write(answer.encode())
            process.stdin.close()
        running = Running(process)
        self._started.append(running)
        return running

    async def run(
        self, *args: object, cwd: Path | None = None, answer: str = "", timeout_s: float = FAR_TOO_LONG_S
    ) -> Ended:
        """Run boss-ingest to its end."""
        return await (await self.start(*args, cwd=cwd, answer=answer)).ended(timeout_s=timeout_s)

    async def run_command(self, *command: str) -> Ended:
        """Run any command to its end."""
        return await (await self._start([*command], cwd=None, answer="")).ended()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for running in self._started:
            with suppress(ProcessLookupError):
                running.kill()
            await running.ended()
