"""Functions that the worker pool's tests run in workers."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from boss_ingest.errors import SourceError

STARTED = []


def start(value):
    STARTED.append(value)


def start_badly():
    raise ValueError("no such volume")


def start_and_die():
    os._exit(3)


def started():
    return STARTED


def pid():
    return os.getpid()


def raise_source_error():
    raise SourceError("slices/7.png is empty", hint="export it again")


class AwkwardError(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def raise_awkward():
    raise AwkwardError("salt", "pepper")


def raise_system_exit():
    sys.exit("enough")


def return_unpicklable():
    return lambda: None


def die(code):
    os._exit(code)


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def crash():
    ctypes.string_at(0)


def hang(announce=None):
    if announce:
        Path(announce).write_text(str(os.getpid()))
    while True:
        time.sleep(60)


def hang_in_a_child(announce):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(announce).write_text(str(child.pid))
    child.wait()


def chatter():
    print("printed")
    os.write(1, b"written to 1\n")
    print("complained", file=sys.stderr)
    return "quiet"


def read_stdin():
    return sys.stdin.read()


def echo(value):
    return value


def modules():
    return sorted(sys.modules)


def signals_ignored():
    return [signal.getsignal(each) == signal.SIG_IGN for each in (signal.SIGINT, signal.SIGTERM)]
