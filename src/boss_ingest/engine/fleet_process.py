"""The parent's end of one of several uploading processes: start it, talk to it, end it."""

from __future__ import annotations

import asyncio
import logging
from typing import Self

from boss_ingest.encode.child import Output, command_line, how_it_ended, kill_group
from boss_ingest.engine import fleet_wire as wire

log = logging.getLogger(__name__)

_REAP_S = 10.0
_LOOKS = 20  # at whether it has said something, in all the time that it may be silent


class MemberProcess:
    """A fresh interpreter in a session of its own, so that Ctrl-C on a terminal does not reach it."""

    def __init__(self, process: asyncio.subprocess.Process, number: int, *, silence_s: float) -> None:
        self._process = process
        self._silence_s = silence_s
        self._fell_silent = False
        self._output = Output(log, f"process {number}")
        self._logging = asyncio.create_task(self._log_lines())

    @classmethod
    async def start(cls, number: int, *, silence_s: float) -> Self:
        """Start one, to be called `number` in the log. Raises OSError."""
        process = await asyncio.create_subprocess_exec(
            *command_line("boss_ingest.engine.fleet_member"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        return cls(process, number, silence_s=silence_s)

    def tell(self, message: wire.ToChild) -> None:
        """Say something; one that is gone hears nothing."""
        pipe = self._process.stdin
        assert pipe is not None
        if self._process.returncode is None and not pipe.is_closing():
            pipe.write(wire.pack(message))

    async def hear(self) -> wire.FromChild:
        """What it says next. Raises EOFError when it says nothing any more; for too long, and it is ended.

        Only time in which this process runs is counted: after a sleep of both, what was said is heard first.
        """
        assert self._process.stdout is not None
        hearing = asyncio.create_task(wire.hear(self._process.stdout))
        try:
            for _ in range(_LOOKS):
                await asyncio.wait([hearing], timeout=self._silence_s / _LOOKS)
                if hearing.done():
                    return hearing.result()
        finally:
            hearing.cancel()
        self._fell_silent = True
        self.kill()
        raise EOFError

    def kill(self) -> None:
        """End it without waiting; the worker processes it has end with it."""
        if self._process.returncode is None:
            kill_group(self._process)

    async def gone(self) -> str:
        """Wait for the end of one that says nothing any more, and tell how it ended."""
        code = None
        try:
            async with asyncio.timeout(_REAP_S):
                code = await self._process.wait()
                await self._logging
        except TimeoutError:
            self.kill()
        finally:
            self.kill()
            self._logging.cancel()
        how = f"it said nothing for {self._silence_s:g} s" if self._fell_silent else _how(code)
        return how + self._output.last

    async def _log_lines(self) -> None:
        assert self._process.stderr is not None
        while True:
            try:
                raw = await self._process.stderr.readline()
            except ValueError:  # a line without end
                continue
            if not raw:
                return
            self._output.take(raw)


def _how(code: int | None) -> str:
    killed = "; if the system ran out of memory, use fewer --processes or less --memory"
    return how_it_ended(code) + (killed if code == -9 else "")
