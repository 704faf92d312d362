"""Threads for reading files, apart from those of the event loop: one that hangs is given up and replaced.

A read from a file server that has gone away may never return, and no thread can be stopped. In the threads of
`asyncio.to_thread` a few such reads would hold up everything else that runs there. Those here are daemons:
none of them keeps the process from ending.
"""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Call:
    function: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    answer: asyncio.Future[Any]
    unwanted: bool = False  # given up before it began
    running: bool = False
    given_up: bool = False

    def end(self, error: BaseException | None, found: object) -> None:
        """In a thread: hand it to who waits, if there still is an event loop."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(_answer, self.answer, error, found)


class ReadThreads:
    """At most `most` threads at work; `spare` is how many may hang before there are fewer.

    With `patience_s` one thread does all, and one more begins whenever a call has waited for longer: taking
    turns at the interpreter's lock costs more than the reading of a small file.
    """

    def __init__(self, most: int, *, spare: int, patience_s: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._most = most
        self._spare = spare
        self._patience_s = patience_s
        self._looking: asyncio.AbstractEventLoop | None = None
        self._asked = self._taken = 0
        self._threads = 0
        self._idle = 0
        self._hanging = 0
        self._closed = False

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What it returns, or raises. Who is cancelled while it runs gives up the thread it runs in.

        Raises RuntimeError after `close`.
        """
        loop = asyncio.get_running_loop()
        call = _Call(partial(function, *args, **kwargs), loop, loop.create_future())
        with self._lock:
            if self._closed:
                raise RuntimeError("these threads are closed")
            self._calls.put(call)
            self._asked += 1
            self._start_as_needed()
            self._look_later(loop)
        try:
            found: T = await call.answer
        except asyncio.CancelledError:
            self._give_up(call)
            raise
        return found

    def close(self) -> None:
        """Have the threads end once they have nothing to do; safe to repeat."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for _ in range(self._threads):
                self._calls.put(None)

    def _start_as_needed(self, *, now: bool = False) -> None:
        """Call it with the lock."""
        needed = self._calls.qsize() > self._idle and self._threads < self._most and not self._closed
        if needed and (now or not self._threads or not self._patience_s):
            self._threads += 1
            threading.Thread(target=self._work, name="read", daemon=True).start()

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        """Whether those who wait now still do. Call it with the lock."""
        if self._patience_s and self._looking is not loop:
            self._looking = loop
            loop.call_later(self._patience_s, self._look, loop, self._asked)

    def _look(self, loop: asyncio.AbstractEventLoop, asked: int) -> None:
        with self._lock:
            self._looking = None
            self._start_as_needed(now=self._taken < asked)
            if not self._calls.empty():
                self._look_later(loop)

    def _give_up(self, call: _Call) -> None:
        with self._lock:
            call.unwanted = not call.running
            if call.unwanted or self._hanging >= self._spare:
                return
            call.given_up = True
            self._hanging += 1
            self._threads -= 1
            self._start_as_needed()

    def _work(self) -> None:
        while True:
            with self._lock:
                self._idle += 1
            call = self._calls.get()
            with self._lock:
                self._idle -= 1
                self._taken += 1
                self._start_as_needed()
                if call is None:
                    return
                if call.unwanted:
                    continue
                call.running = True
            try:
                found = call.function()
            except BaseException as error:  # noqa: BLE001 - handed to the one who waits
                call.end(error, None)
            else:
                call.end(None, found)
                del found
            with self._lock:
                call.running = False
                if call.given_up:  # another has taken its place
                    self._hanging -= 1
                    return
                if self._patience_s and self._threads > 1 and self._calls.empty():
                    self._threads -= 1
                    return
            del call


def _answer(waiting: asyncio.Future[Any], error: BaseException | None, found: object) -> None:
    if waiting.cancelled():
        return
    if error is None:
        waiting.set_result(found)
    else:
        waiting.set_exception(error)


_MOST = min(32, (os.cpu_count() or 1) + 4)
_READS = ReadThreads(_MOST, spare=256)
_SMALL_READS = ReadThreads(_MOST, spare=256, patience_s=0.01)


async def read_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `asyncio.to_thread`, for what reads files: bound its time, and a read that hangs harms no other."""
    return await _READS.run(function, *args, **kwargs)


async def read_small_in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """As `read_in_thread`, for what mostly takes less than a thread's turn."""
    return await _SMALL_READS.run(function, *args, **kwargs)
