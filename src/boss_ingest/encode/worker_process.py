"""The parent's end of one worker process: start it, put one question at a time, end it.

Every method may block, and runs in a thread; `kill` may be called from any thread at any time and makes
a blocked `ask` fail at once.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from boss_ingest.encode import frames
from boss_ingest.encode.child import Output, command_line, how_it_ended, kill_group
from boss_ingest.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger("boss_ingest.worker")
"""Gets every line a worker prints, at INFO: silent until someone listens, never in a terminal's way."""

_PIPE_BYTES = 1 << 20
_REAP_TIMEOUT_S = 10.0
_LINE_MAX_BYTES = 4096

Outcome = tuple[bool, Any]
"""(True, what the function returned) or (False, what it raised)."""


class WorkerProcess:
    """One Python process, in a session of its own, that imports only what it is asked to run."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._doomed = False
        self._output: Output | None = None
        self._drain: threading.Thread | None = None

    def start(self, initializer: Callable[..., Any] | None, initargs: tuple[Any, ...]) -> Outcome:
        """Start the process and run the initializer in it. Raises PluginError when it dies, OSError."""
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            command_line("boss_ingest.encode.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        _widen(process.stdin, process.stdout)
        output = Output(log, f"worker {process.pid}")
        drain = threading.Thread(target=_drain, args=(process, output), name="worker output", daemon=True)
        with self._lock:
            self._process, self._output, self._drain = process, output, drain
            doomed = self._doomed
        drain.start()
        if doomed:
            self.close()
            raise PluginError("the worker was ended before it began")
        return self.ask(initializer, initargs) if initializer else (True, None)

    @property
    def alive(self) -> bool:
        """Whether the process is still there; an idle one may be picked by the out-of-memory killer."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id, 0 before the start."""
        return self._process.pid if self._process else 0

    def ask(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Outcome:
        """Run a function there and wait. Raises PluginError when the process ends instead of answering."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            request = frames.pack((function, args))
        except Exception as error:  # noqa: BLE001 - returned to whoever asked
            return False, error
        try:
            frames.send(self._process.stdin, request)
            reply = frames.receive(self._process.stdout)
        except (EOFError, OSError, ValueError) as error:
            raise self._death(function) from error
        try:
            outcome: Outcome = reply.unpack()
        except Exception as error:  # noqa: BLE001 - the pipe is sound, only this answer is not
            what = f"what {function.__qualname__} returned cannot be read here"
            return False, PluginError(f"{what}: {type(error).__name__}: {error}")
        return outcome

    def kill(self) -> None:
        """End the process, and those it started, without waiting. Safe to repeat."""
        with self._lock:
            self._doomed = True
            if self._process is not None and self._process.returncode is None:
                kill_group(self._process)

    def close(self) -> None:
        """End the process, wait until it is gone, and let go of its pipes."""
        self.kill()
        if self._process is None or self._drain is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_TIMEOUT_S)
        self._drain.join(_REAP_TIMEOUT_S)
        # A daemon that a plugin left behind may hold the other end of stderr: closing would wait for it.
        drained = None if self._drain.is_alive() else self._process.stderr
        for pipe in filter(None, (self._process.stdin, self._process.stdout, drained)):
            with suppress(OSError, ValueError):
                pipe.close()

    def _death(self, function: Callable[..., Any]) -> PluginError:
        assert self._process is not None
        assert self._output is not None
        # A worker that closed its pipe without ending is of no use either; what it started goes with it.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self.close()
        code = self._process.returncode
        killed = "the system may have run out of memory: use fewer workers, or smaller chunks"
        said = self._output.last
        return PluginError(
            f"worker {self.pid} died while running {function.__qualname__}: {how_it_ended(code)}"
            + (f"; it last said:{said}" if said else ""),
            hint=killed if code == -9 else "",
        )


def _drain(process: subprocess.Popen[bytes], output: Output) -> None:
    assert process.stderr is not None
    stderr = process.stderr
    for raw in iter(lambda: stderr.readline(_LINE_MAX_BYTES), b""):
        output.take(raw)


def _widen(*pipes: IO[bytes] | None) -> None:
    """Let a pipe hold a megabyte instead of 64 KiB, where the system allows it."""
    if sys.platform == "linux":
        import fcntl  # noqa: PLC0415 - there is none elsewhere

        for pipe in filter(None, pipes):
            with suppress(OSError):
                fcntl.fcntl(pipe.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
