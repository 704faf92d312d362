"""The inside of a worker process: answer one request after the other until the parent hangs up.

Requests come in on what was standard input, replies leave on what was standard output. Whatever a
plugin prints goes to standard error instead, which the parent turns into log lines. The listening thread
sees the parent's end of the pipe close, however the parent ended, and ends the process even in the middle
of a plugin's endless loop. Interrupts are the parent's to decide on.
"""

from __future__ import annotations

import os
import pickle
import queue
import threading
import traceback
from typing import IO, TYPE_CHECKING, Any, NoReturn

from boss_ingest.encode import frames
from boss_ingest.encode.child import take_over_pipes
from boss_ingest.encode.freed_memory import keep_freed_memory
from boss_ingest.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> NoReturn:
    """Serve requests on the inherited pipes; never returns."""
    requests, replies = take_over_pipes()
    keep_freed_memory()
    inbox: queue.SimpleQueue[frames.Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests, inbox), name="listen", daemon=True).start()
    while True:
        reply = _answer(inbox.get())
        try:
            frames.send(replies, reply)
        except OSError:
            os._exit(1)
        del reply  # it may hold a whole chunk while we wait


def _listen(requests: IO[bytes], inbox: queue.SimpleQueue[frames.Message]) -> NoReturn:
    try:
        while True:
            inbox.put(frames.receive(requests))
    finally:
        os._exit(0)


def _answer(request: frames.Message) -> frames.Message:
    function: Callable[..., Any] | None = None
    try:
        function, args = request.unpack()
        return frames.pack((True, function(*args)))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - it is the parent's to raise
        return frames.pack((False, _portable(error, function)))


def _portable(error: BaseException, function: object) -> BaseException:
    """The error itself where it survives pickling, with the traceback as a note; else a PluginError."""
    told = "".join(traceback.format_exception(error)).rstrip()
    if not isinstance(error, SystemExit):
        error.add_note(f"in worker {os.getpid()}:\n{told}")
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
        except Exception:  # noqa: BLE001, S110 - whatever its class does wrong, what is told below is enough
            pass
        else:
            return error
    name = getattr(function, "__qualname__", "a request")
    stand_in = PluginError(f"{name} failed: {type(error).__name__}: {error}")
    stand_in.add_note(told)
    return stand_in
