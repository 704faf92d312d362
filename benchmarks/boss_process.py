"""A local Boss in a process of its own, that tells when a job's first task was asked for and its last done.

Only its REST and its queues are used: tiles and cuboids go to the sink (AWS_ENDPOINT_URL_S3). It loses all
tile index messages, for to cut cuboids is a server's work and not what is measured.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.faults import Call, Delay
from boss_ingest.local.settings import Settings
from tests.local_jobs import NAMES

READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Channel:
    """What the job goes to."""

    datatype: str
    channel_type: str
    extent: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Expect:
    """The next job has so many tasks; every answer is held back for `delay_s`."""

    tasks: int
    delay_s: float


@dataclass(frozen=True, slots=True)
class Moment:
    """The first ReceiveMessage, or the last message's deletion, and the requests until then."""

    at_s: float
    calls: Counter[str]


class _Watch:
    """Stands in for Faults.take: counts requests, delays answers, and tells of the two moments."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.expect(Expect(0, 0.0))

    def expect(self, expect: Expect) -> None:
        self._left = expect.tasks
        self._began = False
        self._calls: Counter[str] = Counter()
        self._delay = Delay(expect.delay_s) if expect.delay_s else None

    def take(self, call: Call) -> Delay | None:
        self._calls[call.operation] += 1
        if call.operation == "sqs.ReceiveMessage" and not self._began:
            self._began = True
            self._tell()
        elif call.operation.startswith("sqs.DeleteMessage") and self._left > 0:
            self._left -= len(call.params.get("Entries", (None,)))
            if self._left <= 0:
                self._tell()
        return self._delay if not call.operation.startswith("server.") else None

    def _tell(self) -> None:
        self._pipe.send(Moment(time.monotonic(), self._calls))


def _run(pipe: Connection, folder: Path, channel: Channel) -> None:
    async def serve() -> None:
        async with LocalBoss(Settings(dir=folder, populate_s=0.0, lost_index_rate=1.0)) as boss:
            await boss.prepare(
                **NAMES, datatype=channel.datatype, channel_type=channel.channel_type, extent=channel.extent
            )
            watch = _Watch(pipe)
            boss.faults.take = watch.take  # type: ignore[method-assign]  # so that each request passes here
            pipe.send((boss.url, boss.token))
            loop = asyncio.get_running_loop()
            while (expect := await loop.run_in_executor(None, pipe.recv)) is not None:
                watch.expect(expect)
                pipe.send(None)

    asyncio.run(serve())


@dataclass(frozen=True, slots=True)
class RunningBoss:
    """A Boss that runs."""

    pid: int
    pipe: Connection
    url: str
    token: str

    def expect(self, tasks: int, delay_s: float) -> None:
        """Begin to count anew."""
        self.pipe.send(Expect(tasks, delay_s))
        while self.pipe.recv() is not None:
            """What it still told of the job before."""

    def moment(self, within_s: float) -> Moment | None:
        """What it tells next, within so long."""
        return self.pipe.recv() if self.pipe.poll(within_s) else None


@contextmanager
def running_boss(folder: Path, channel: Channel) -> Iterator[RunningBoss]:
    """A Boss that keeps its queues in `folder`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, folder, channel), daemon=True)
    process.start()
    try:
        if not ours.poll(READY_S):
            raise TimeoutError("the local Boss did not start")
        assert process.pid
        yield RunningBoss(process.pid, ours, *ours.recv())
        ours.send(None)
        process.join(READY_S)
    finally:
        process.kill()
        process.join()
