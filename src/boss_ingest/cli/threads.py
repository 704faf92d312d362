"""Threads of the event loop that do not keep a command from ending when one of them hangs."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any, NoReturn

_PATIENCE_S = 3.0


class Threads(ThreadPoolExecutor):
    """What `asyncio.to_thread` runs in.

    A thread cannot be stopped, and Python waits for each before it ends: one that reads from a file server
    that has gone away would make a process that can only be killed.
    """

    def __init__(self) -> None:
        super().__init__(thread_name_prefix="loop")
        self._at_work: set[Future[Any]] = set()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """As of any executor."""
        future = super().submit(fn, *args, **kwargs)
        self._at_work.add(future)
        future.add_done_callback(self._at_work.discard)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Take no more work; does not wait, which `end_process` does, with a limit."""
        super().shutdown(wait=False, cancel_futures=True)

    def end_process(self, code: int) -> NoReturn:
        """Leave with the exit code, at once when a thread does not end within some seconds."""
        if not wait(list(self._at_work), timeout=_PATIENCE_S).not_done:
            sys.exit(code)
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
