"""The real `boss-ingest` as a process on a computer of its own, to be sent signals; it speaks to files."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.command import Machine

if TYPE_CHECKING:
    from tests.fault.proxy import FaultProxy

COMMAND = Path(sys.executable).with_name("boss-ingest")
_OPTIONS = ("--progress", "json", "--concurrency", "4", "--workers", "1")


class Client:
    """One user's computer behind its own line to the Boss; runs one command at a time."""

    def __init__(self, name: str, folder: Path, line: FaultProxy, token: str) -> None:
        self.name = name
        self.line = line
        self._machine = Machine(folder, token)
        self._temporary = folder / "tmp"
        self._temporary.mkdir()
        self._machine.env = {"AWS_ENDPOINT_URL": line.url, "TMPDIR": str(self._temporary)}
        self._process: asyncio.subprocess.Process | None = None
        self._started = 0

    @property
    def cwd(self) -> Path:
        return self._machine.cwd

    @property
    def remembers_the_job(self) -> bool:
        """Whether it made one and wrote that down, so that no command needs the job file named."""
        return any(self._machine.memory.glob("jobs/*.json"))

    @property
    def was_started(self) -> bool:
        return self._process is not None

    @property
    def is_up(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self, *words: object) -> None:
        """Start a command."""
        assert not self.is_up
        self._started += 1
        with self._said("out").open("wb") as out, self._said("err").open("wb") as err:
            self._process = await asyncio.create_subprocess_exec(
                COMMAND,
                *map(str, words),
                *_OPTIONS,
                cwd=self.cwd,
                env=self._machine.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that comes after its end reaches nobody."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def ended(self) -> int:
        """The exit code, or minus the signal that ended it."""
        assert self._process is not None
        return await self._process.wait()

    async def has_said(self, text: str) -> None:
        """Return once this stands in its standard error, or it has ended."""
        while self.is_up and text not in self.err:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.02)

    @property
    def err(self) -> str:
        """What its command, or the last of them, said to the person."""
        return self._said("err").read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        """What all of its commands told in JSON; a line that a killed one left unfinished is none."""
        lines = [
            line for path in self._machine.directory.glob("*.out") for line in path.read_text().splitlines()
        ]
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    @property
    def is_at_work(self) -> bool:
        """Whether it has got as far as taking tasks."""
        return any(event["event"] == "Uploading" for event in self.events)

    @property
    def litter(self) -> list[str]:
        """What lies where a command must not leave anything."""
        left = [*self._temporary.iterdir(), *(path for path in self.cwd.iterdir() if path.name != "job.json")]
        return [str(path) for path in left]

    def processes(self) -> list[int]:
        """All processes on this computer: commands, their workers, and whatever those started."""
        mark = f"BOSS_INGEST_HOME={self._machine.memory}".encode()
        found = []
        for process in Path("/proc").iterdir():
            with suppress(OSError):
                if process.name.isdecimal() and mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    async def all_processes_end(self, *, within_s: float) -> bool:
        """Whether nothing is left running on this computer, at once or soon."""
        try:
            async with asyncio.timeout(within_s):
                while self.processes():  # noqa: ASYNC110 - there is no event for that
                    await asyncio.sleep(0.05)
        except TimeoutError:
            return False
        return True

    def switch_off(self) -> None:
        """End whatever still runs."""
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _said(self, stream: str) -> Path:
        return self._machine.directory / f"{self._started}.{stream}"
