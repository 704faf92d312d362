"""A pool of worker processes that a hung, killed or leaking plugin cannot take down.

Each worker has pipes of its own and does one thing at a time. When it dies or overruns its time only its
task fails, and a fresh process takes its seat. Workers start when they are first needed, all at once if
need be (about 0.04 s each to the first answer, plus what the function's module imports), end with the
parent however it ends, and do not hear Ctrl-C or SIGTERM: the parent decides.
What they print becomes log lines of `boss_ingest.worker`.

The event loop never blocks: a thread for each worker sends, waits and receives. A reply of 32 MiB of
bytes comes through at about 1 GB/s, without a copy inside a pickle; a small call and its answer take 0.2 ms.
"""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self

from boss_ingest.encode.worker_process import Outcome, WorkerProcess
from boss_ingest.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable

START_TIMEOUT_S = 120.0
"""How long a worker may take to start and run the initializer: imports from a busy network disk."""


class _Seat:
    """A place for one worker; empty at first, and after one was ended."""

    def __init__(self) -> None:
        self.worker: WorkerProcess | None = None


class WorkerPool:
    """An async context manager over at most `workers` processes.

    `initializer(*initargs)` runs first in each process. Where it fails before any worker has ever started,
    every call raises that error at once instead of starting processes that will fail again.
    """

    def __init__(
        self,
        workers: int,
        *,
        initializer: Callable[..., Any] | None = None,
        initargs: tuple[Any, ...] = (),
        timeout_s: float,
    ) -> None:
        if workers < 1:
            raise ValueError(f"a pool needs at least one worker, not {workers}")
        self._start_with = (initializer, initargs)
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="worker")
        self._seats = [_Seat() for _ in range(workers)]
        self._idle: asyncio.LifoQueue[_Seat] = asyncio.LifoQueue()
        self._proved = False
        self._broken: BaseException | None = None
        self._closed = False
        for seat in self._seats:
            self._idle.put_nowait(seat)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        for seat in self._seats:
            self._end(seat)
        await asyncio.to_thread(self._threads.shutdown)

    async def call(self, function: Callable[..., Any], *args: Any, timeout_s: float | None = None) -> Any:
        """Run `function(*args)` in a worker, both passed by pickle, and return what it returns.

        Waits for a free worker, then at most `timeout_s`. Raises what the function raises, with the
        worker's traceback as a note; PluginError when the worker dies or overruns. A cancelled call ends
        its worker, for there is no other way to stop what runs there.
        """
        seat = await self._idle.get()
        try:
            if self._closed:
                raise PluginError("the worker pool is closed")
            if seat.worker is not None and not seat.worker.alive:
                self._end(seat)
            worker = seat.worker or await self._started(seat)
            ask = functools.partial(worker.ask, function, args)
            limit_s = self._timeout_s if timeout_s is None else timeout_s
            ok, value = await self._bounded(seat, worker, ask, f"running {_name(function)}", limit_s)
        finally:
            self._idle.put_nowait(seat)
        if not ok:
            raise value
        return value

    async def _started(self, seat: _Seat) -> WorkerProcess:
        if self._broken is not None:
            raise self._broken
        worker = seat.worker = WorkerProcess()
        begin = functools.partial(worker.start, *self._start_with)
        try:
            limit_s = max(START_TIMEOUT_S, self._timeout_s)
            ok, error = await self._bounded(seat, worker, begin, "starting", limit_s)
        except (PluginError, OSError) as failure:
            ok, error = False, failure
        if ok:
            self._proved = True
            return worker
        self._end(seat)
        if isinstance(error, OSError) and worker.pid == 0:
            raise PluginError(
                f"no worker process can be started: {error}", hint="raise the limit on processes or memory"
            ) from error
        if not self._proved:
            self._broken = error
        raise error

    async def _bounded(
        self, seat: _Seat, worker: WorkerProcess, work: Callable[[], Outcome], doing: str, limit_s: float
    ) -> Outcome:
        if self._closed:
            raise PluginError("the worker pool is closed")
        try:
            async with asyncio.timeout(limit_s):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            self._end(seat)
            raise PluginError(
                f"worker {worker.pid} was {doing} for more than {limit_s:g} s and was ended",
                hint="if the source is only slow, allow more time",
            ) from None
        except BaseException:
            self._end(seat)
            raise

    def _end(self, seat: _Seat) -> None:
        """Kill the seat's worker now, and tidy up after it in a thread."""
        worker, seat.worker = seat.worker, None
        if worker is not None:
            worker.kill()
            self._threads.submit(worker.close)


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
