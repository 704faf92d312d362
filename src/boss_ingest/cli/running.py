"""Running a command's work: the event loop, the signals that stop it, and the exit code it ends with."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

import click

from boss_ingest import __version__
from boss_ingest.errors import ExitCode, IngestError, StopRequestedError, UsageError

if TYPE_CHECKING:
    from boss_ingest.cli.threads import Threads
    from boss_ingest.engine.stop import Stop

log = logging.getLogger(__name__)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_MORE = {errno.EPIPE, errno.EIO, errno.EBADF, *_FULL}
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ORDERLY_S = 45.0  # for what is in flight, and to let go of all; as a second Ctrl-C if it takes longer


def say(text: str) -> None:
    """Tell the person something that is not the command's result."""
    _write(text, sys.stderr)


def tell(text: str) -> None:
    """Give the command's result, or a part of it."""
    _write(text, sys.stdout)


def _write(text: str, stream: TextIO) -> None:
    with unless_gone(stream):
        click.echo(text, file=stream)


@contextmanager
def unless_gone(stream: TextIO) -> Iterator[None]:
    """Around writing: a reader (`… | head`) or terminal that is gone, or a full disk, stops no work."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_MORE:
            raise
        log.info("nothing more is written to %s: %s", stream.name, error)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        if stream is sys.stdout and error.errno in _FULL:
            say(f"warning: standard output cannot be written: {error.strerror}")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sits at it."""
    return stream is not None and not stream.closed and stream.isatty()


def open_standard_streams() -> None:
    """Give a process that was started without standard streams some that lead nowhere.

    Else the first files it opens would be taken for them, by it and by the processes it starts.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def ask(question: str, *, default: bool) -> None:
    """Ask a person; returns when they agree.

    Raises click.Abort when they don't, or press Ctrl-C; UsageError when nobody is there to answer.
    """
    try:
        with _signals_interrupt():
            click.confirm(question, default=default, abort=True, err=True)
    except click.Abort as error:
        if isinstance(error.__context__, EOFError) and not is_terminal(sys.stdin):
            say("")
            raise UsageError("nobody is there to answer", hint="--yes says yes beforehand") from None
        raise


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """Let signals interrupt what blocks the event loop, which would else see them only afterwards."""
    wakeup = signal.set_wakeup_fd(-1)
    handlers = {number: signal.signal(number, signal.default_int_handler) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(wakeup)


def run_to_exit(work: Callable[[Stop], Awaitable[int]]) -> None:
    """Run to the end and leave the process with the exit code; no bare exception gets past here."""
    from boss_ingest.cli.threads import Threads

    threads = Threads()
    try:
        code = asyncio.run(_stoppable(work, threads))
    except StopRequestedError as error:
        say(f"stopped: {error}")
        code = error.exit_code
    except IngestError as error:
        log.info("ended by %s", type(error).__name__, exc_info=error)
        say(click.style("error: ", fg="red", bold=True) + str(error))
        code = error.exit_code
    except click.Abort:
        say("nothing was done")
        code = ExitCode.INTERRUPTED
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        say(f"stopped at once; what was not stored is still in the queue{_way_on(error)}")
        code = ExitCode.INTERRUPTED
    except Exception as error:  # the last line of defence: a person gets a sentence
        log.critical("bug", exc_info=error)
        where = traceback.extract_tb(error.__traceback__)[-1]
        say(
            click.style("bug: ", fg="red", bold=True)
            + f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})\n"
            f"  this is a mistake in boss-ingest {__version__}, not in your data; nothing is lost.\n"
            "  please report it with the log file"
        )
        code = ExitCode.BUG
    threads.end_process(code)


def _way_on(error: BaseException | None) -> str:
    """What the first stop was about to say of how to go on, when a second one cut it off."""
    while error is not None:
        if isinstance(error, StopRequestedError) and error.hint:
            return f"\n  {error.hint}"
        error = error.__context__
    return ""


async def _stoppable(work: Callable[[Stop], Awaitable[int]], threads: Threads) -> int:
    from boss_ingest.engine.stop import Stop

    stop = Stop()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(threads)
    main = asyncio.current_task()
    assert main is not None

    def asked() -> None:
        stop.request()
        if stop.dropping.is_set():
            main.cancel()
        else:
            say("stopping: finishing what is in flight; once more to stop at once")
            loop.call_later(_ORDERLY_S, unless_asked_again)

    def unless_asked_again() -> None:
        if not stop.dropping.is_set():
            say(f"what is in flight has not ended within {_ORDERLY_S:g} s")
            asked()

    for number in _STOP_SIGNALS:
        try:
            loop.add_signal_handler(number, asked)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(asked))
    try:
        return await work(stop)
    finally:
        _ignore_signals(loop)


def _ignore_signals(loop: asyncio.AbstractEventLoop) -> None:
    """The work is over and its exit code stands; one more Ctrl-C would only replace it by another."""
    for number in _STOP_SIGNALS:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_IGN)
