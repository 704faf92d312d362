"""The pipeline: lease when there is room, for as long as the queue has something for us.

Data flows one way. What becomes of what is leased is in_work.py's; here it is decided what to take, how
long to wait for others, and when all is done.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Iterable
from typing import Any

from boss_ingest.aws.queue import Lease, UploadQueue
from boss_ingest.engine import events
from boss_ingest.engine.budget import Room
from boss_ingest.engine.expiry import Forecast
from boss_ingest.engine.in_work import InWork
from boss_ingest.engine.ledger import Ledger
from boss_ingest.engine.options import Options
from boss_ingest.engine.paths import TaskPath
from boss_ingest.engine.retry import Retrier
from boss_ingest.engine.siblings import Siblings
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.tasks import key_of
from boss_ingest.engine.wanted import LOOK_S, Wanted
from boss_ingest.errors import Disposition, GaveUpError, IngestError

_BATCH = 10  # the most SQS hands out at once
_LEASERS = 6  # long polls at one time while the queue is full
_FIRST_LOOK_S = 1.0  # long poll of the first looks at a queue that seems empty …
_LATER_LOOK_S = 10.0  # … and while waiting for what other clients hold
_LOOKS = 2  # looks in a row that show the same before we believe it: SQS's counts may be behind
_GAUGE_S = 5.0  # how often the queue is asked how much is left, by this client


class End(enum.Enum):
    """Why the pipeline came to rest."""

    DRAINED = "nothing is left in the queue but what was set aside"
    SEARCHED = "all that was looked for is settled, or not to be found; other tasks are left"
    STOPPED = "a person asked to stop"
    HOPELESS = "task after task failed and none was stored"


class Pipeline:
    """The upload of one job by one client; `cost_bytes` is the most memory that one task takes."""

    def __init__(
        self,
        queue: UploadQueue,
        path: TaskPath,
        *,
        cost_bytes: int,
        room: Room,
        retry: Retrier,
        options: Options,
        tally: Tally,
        ledger: Ledger,
        observe: events.Observer,
        stop: Stop,
        wanted: Wanted | None = None,
        forecast: Forecast | None = None,
        siblings: Siblings | None = None,
    ) -> None:
        self._queue = queue
        self._cost_bytes = cost_bytes
        self._room = room
        self._retry = retry
        self._options = options
        self._tally = tally
        self._ledger = ledger
        self._observe = observe
        self._stop = stop
        self._wanted = wanted or Wanted()
        self._forecast = forecast or Forecast(None, tally, observe)
        self._siblings = siblings or Siblings()
        self._batch = min(_BATCH, max(1, room.capacity(cost_bytes) // _LEASERS))
        self._plenty = asyncio.Event()
        self._others_hold = False
        self._in_work = InWork(
            queue,
            path,
            cost_bytes=cost_bytes,
            room=room,
            retry=retry,
            options=options,
            tally=tally,
            ledger=ledger,
            observe=observe,
            wanted=self._wanted,
        )

    async def run(self) -> End:
        """Work until the queue is drained, a stop is asked for, or nothing at all succeeds.

        Raises the error that ends the whole run: QueueGoneError, JobGoneError, GaveUpError, …
        """
        try:
            async with asyncio.TaskGroup() as group:
                first = group.create_task(self._lease_until_drained(group))
                helpers = [group.create_task(self._lease_while_plenty(group)) for _ in range(_LEASERS - 1)]
                helpers.append(group.create_task(self._gauge()))
                done = group.create_task(self._until_all_is_done_here())
                stopped = group.create_task(_any_of(self._stop.draining, self._in_work.hopeless))
                await asyncio.wait([first, done, stopped], return_when=asyncio.FIRST_COMPLETED)
                ended = next((task for task in (first, done) if task.done()), None)
                _cancel([first, done, stopped, *helpers])
                if ended is None:
                    await self._in_work.finish(self._stop.dropping)
        except* IngestError as errors:
            raise _gravest(errors) from None
        if ended is not None:
            end = ended.result()
            if end is End.DRAINED:
                self._wanted.alone = False  # whatever the Boss may put back from now on is for everybody
            return end
        return End.STOPPED if self._stop.draining.is_set() else End.HOPELESS

    async def _lease_until_drained(self, group: asyncio.TaskGroup) -> End:
        looks = searched = 0
        if self._wanted.alone:
            await self._ask_depth()
        while looks < _LOOKS:
            started = await self._lease_once(group)
            looks = 0 if started or not await self._nothing_left() else looks + 1
            over = not self._in_work and not self._is_drained() and self._wanted.is_over(_now_s())
            searched = searched + 1 if over else 0
            if searched == _LOOKS:
                return End.SEARCHED
        return End.DRAINED

    async def _until_all_is_done_here(self) -> End:
        """No look at the queue is needed when each task of the job was done here and nothing is counted."""
        while True:
            await self._in_work.at_rest.wait()
            self._in_work.at_rest.clear()
            if self._tally.stored == self._tally.total:
                await self._ask_depth()
                if self._tally.left == 0 and not self._in_work:
                    return End.DRAINED

    async def _lease_while_plenty(self, group: asyncio.TaskGroup) -> None:
        while await self._plenty.wait():
            await self._lease_once(group)

    async def _lease_once(self, group: asyncio.TaskGroup) -> int:
        """Take a batch when there is room for all of it; returns how many tasks were started."""
        await self._room.enter(self._cost_bytes, tasks=self._batch)
        started = 0
        try:
            leases = await self._retry(
                "SQS ReceiveMessage", self._receive, what="receive from the upload queue"
            )
            for lease in leases:
                if self._is_new(lease):
                    self._in_work.begin(lease, group)
                    started += 1
        finally:
            self._room.leave(self._cost_bytes, tasks=self._batch - started)
        if started or (leases and not self._wanted.alone):
            self._plenty.set()
        else:
            self._plenty.clear()
        return started

    async def _receive(self) -> list[Lease]:
        wait_s = _LATER_LOOK_S if self._others_hold else _FIRST_LOOK_S
        lease_s = self._options.lease_s
        if self._only_looks():
            lease_s = min(LOOK_S, lease_s)
        return await self._queue.lease(self._batch, wait_s=wait_s, lease_s=lease_s)

    def _only_looks(self) -> bool:
        """Whether what comes is most likely not to be worked on here, and should come back soon."""
        left = self._tally.left
        if left is None:
            return False
        set_aside = len(self._tally.set_aside)
        others = left - set_aside - len(self._in_work)
        return others > len(self._wanted.left) if self._wanted.alone else others <= 0 < set_aside

    def _is_new(self, lease: Lease) -> bool:
        """Whether to start on it: not when set aside, nor while an earlier delivery of it is in work."""
        if self._in_work.renewed_by(lease):
            return False
        if lease.message_id in self._tally.set_aside:
            self._tally.set_aside.hidden_until(lease.deadline_s)
            return False
        if not self._wanted.alone or self._ledger.is_done(lease.message_id):
            return True
        return self._wanted.takes(key_of(lease), _now_s())

    def _is_drained(self) -> bool:
        """Whether the queue held nothing but what was set aside here when it was last asked."""
        return (self._tally.left or 0) <= len(self._tally.set_aside)

    async def _nothing_left(self) -> bool:
        await self._ask_depth()
        if self._in_work or self._is_drained():
            self._others_hold = False
            return not self._in_work
        if self._siblings.busy:
            self._others_hold = False
        elif not self._others_hold:
            self._others_hold = True
            self._observe(events.WaitingForOthers((self._tally.left or 0) - len(self._tally.set_aside)))
        return False

    async def _ask_depth(self) -> None:
        depth = await self._retry(
            "SQS GetQueueAttributes", self._queue.depth, what="ask how much is left in the queue"
        )
        self._tally.left_visible, self._tally.left_in_flight = depth.visible + depth.delayed, depth.in_flight

    async def _gauge(self) -> None:
        await asyncio.sleep(_GAUGE_S * self._siblings.number)
        while True:
            await self._ask_depth()
            self._forecast.look()
            await asyncio.sleep(_GAUGE_S * self._siblings.processes)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def _any_of(*happenings: asyncio.Event) -> None:
    waits = [asyncio.create_task(happening.wait()) for happening in happenings]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        _cancel(waits)


def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()


def _gravest(errors: BaseExceptionGroup[IngestError]) -> IngestError:
    """The error to tell of a group: any one that ends the run; the rest follow from it."""
    found: list[IngestError] = []
    pending: list[BaseException] = [errors]
    while pending:
        error = pending.pop()
        if isinstance(error, BaseExceptionGroup):
            pending.extend(error.exceptions)
        elif isinstance(error, IngestError):
            found.append(error)
    gravest = found[0]
    if gravest.disposition is Disposition.SET_ASIDE:  # asked for no task, so there is none to set aside
        return GaveUpError(gravest.what, hint=gravest.hint or "the Boss's queue does not work with us")
    return gravest
