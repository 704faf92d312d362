"""How a command ends: also with a thread that hangs, and with nobody left to hear it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.command import SOON_S

if TYPE_CHECKING:
    from collections.abc import Iterator

_HANGING = """
import asyncio, time
from boss_ingest.cli.running import run_to_exit, say

async def work(stop):
    reading = asyncio.create_task(asyncio.to_thread(time.sleep, 3600))
    await asyncio.sleep(0.1)
    say("ready")
    return await {then}

run_to_exit(work)
"""

_WATCHED = """
import asyncio, sys
from boss_ingest.cli.progress import watch
from boss_ingest.cli.running import run_to_exit, say, tell
from boss_ingest.engine.events import Completed
from boss_ingest.engine.tally import Tally

async def work(stop):
    async with watch(Tally(), "{mode}", unit="tiles") as observe:
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        for number in range(20):
            observe(Completed(number))
        await asyncio.sleep(0.5)
    say("the end")
    tell("the end")
    return 0

run_to_exit(work)
"""


_HASTY = """
import asyncio, os, signal
from boss_ingest.cli.running import run_to_exit
from boss_ingest.errors import StopRequestedError

class Connection:
    async def __aenter__(self): pass
    async def __aexit__(self, *_):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(3600)

async def work(stop):
    async with Connection():
        os.kill(os.getpid(), signal.SIGINT)
        await stop.draining.wait()
        raise StopRequestedError("job 7 is not finished", hint="boss-ingest join --job-id 7")

run_to_exit(work)
"""

_LATE = """
import asyncio, atexit, os, signal
from boss_ingest.cli.running import run_to_exit

def again():
    os.kill(os.getpid(), signal.{name})

async def closing():
    try:
        await asyncio.sleep(3600)
    finally:
        again()

async def work(stop):
    work.left = asyncio.create_task(closing())
    await asyncio.sleep(0)
    return 130

atexit.register(again)
run_to_exit(work)
"""


@contextmanager
def started(code: str, **how: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, **how) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def test_a_second_stop_ends_the_command_though_a_thread_hangs() -> None:
    """As one does that reads from a file server that has gone away: the process could only be killed."""
    with started(_HANGING.format(then="reading"), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert "once more" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(SOON_S) == 130
        assert "stopped at once" in process.stderr.read()


_STUBBORN = """
import asyncio, os, signal
from boss_ingest.cli import running

async def work(stop):
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(3600)

running._ORDERLY_S = 0.2
running.run_to_exit(work)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are not sent there")
def test_one_stop_is_enough_for_work_that_does_not_hear_of_it() -> None:
    with started(_STUBBORN, stderr=subprocess.PIPE) as process:
        assert process.wait(SOON_S) == 130
        assert process.stderr is not None
        assert "has not ended within 0.2 s" in process.stderr.read()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are not sent there")
def test_a_second_stop_amid_the_first_still_says_how_to_go_on() -> None:
    with started(_HASTY, stderr=subprocess.PIPE) as process:
        assert process.wait(SOON_S) == 130
        assert process.stderr is not None
        said = process.stderr.read()
        assert "stopped at once" in said
        assert "boss-ingest join --job-id 7" in said


@pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are not sent there")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_that_comes_when_the_work_is_over_leaves_the_exit_code_as_it_is(name: str) -> None:
    """As the second Ctrl-C of somebody who presses it twice: it was -2, or a traceback."""
    with started(_LATE.format(name=name), stderr=subprocess.PIPE) as process:
        assert process.wait(SOON_S) == 130
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_a_command_that_is_done_ends_though_a_thread_hangs() -> None:
    with started(_HANGING.format(then="asyncio.sleep(0, 3)"), stderr=subprocess.PIPE) as process:
        assert process.wait(SOON_S) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such terminal")
@pytest.mark.parametrize("mode", ["lines", "bar", "json"])
def test_a_terminal_that_goes_away_does_not_end_the_work(mode: str) -> None:
    ours, theirs = os.openpty()
    with started(_WATCHED.format(mode=mode), stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        said = b""
        while b"ready" not in said:
            said += os.read(ours, 4096)
        os.close(ours)
        assert process.stdin is not None
        process.stdin.write("go on\n")
        process.stdin.close()
        assert process.wait(SOON_S) == 0
