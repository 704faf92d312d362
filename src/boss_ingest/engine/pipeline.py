"""The pipeline: lease when there is room, do the task, acknowledge it, until the queue is drained.

Data flows one way and nothing is acknowledged before it is stored. A task that fails is tried again,
let go, or set aside by its error's own disposition, and never holds up the others.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Iterable
from typing import Any

from boss_ingest.aws.queue import Lease, UploadQueue
from boss_ingest.engine import events
from boss_ingest.engine.budget import Place, Room
from boss_ingest.engine.expiry import Forecast
from boss_ingest.engine.ledger import Ledger
from boss_ingest.engine.options import Options
from boss_ingest.engine.paths import TaskPath
from boss_ingest.engine.retry import Retrier, pause_s
from boss_ingest.engine.siblings import Siblings
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.tasks import key_of
from boss_ingest.engine.wanted import LOOK_S, Wanted
from boss_ingest.errors import (
    Disposition,
    GaveUpError,
    IngestError,
    MessageError,
    RefusedError,
    SourceAwayError,
)

log = logging.getLogger(__name__)

_BATCH = 10  # the most SQS hands out at once
_LEASERS = 6  # long polls at one time while the queue is full
_FIRST_LOOK_S = 1.0  # long poll of the first looks at a queue that seems empty …
_LATER_LOOK_S = 10.0  # … and while waiting for what other clients hold
_LOOKS = 2  # looks in a row that show the same before we believe it: SQS's counts may be behind
_RELEASES = 6  # leases that one task may outlast before it is set aside
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
        self._path = path
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
        self._hopeless = asyncio.Event()
        self._at_rest = asyncio.Event()  # nothing is in work any more
        self._others_hold = False
        self._in_work: dict[str, asyncio.Task[None]] = {}
        self._newest: dict[str, Lease] = {}  # later deliveries of what is in work

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
                stopped = group.create_task(_any_of(self._stop.draining, self._hopeless))
                await asyncio.wait([first, done, stopped], return_when=asyncio.FIRST_COMPLETED)
                ended = next((task for task in (first, done) if task.done()), None)
                _cancel([first, done, stopped, *helpers])
                if ended is None:
                    await self._finish_what_is_in_work()
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
            await self._at_rest.wait()
            self._at_rest.clear()
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
                    self._in_work[lease.message_id] = group.create_task(self._settle(lease))
                    started += 1
        finally:
            self._room.leave(self._cost_bytes, tasks=self._batch - started)
        self._tally.in_work = len(self._in_work)
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
        """Whether to start on it: not when set aside, nor while an earlier delivery of it is in work.

        What is in work is then deleted by its newest receipt; the old one may have no effect any more.
        """
        if lease.message_id in self._in_work:
            self._newest[lease.message_id] = lease
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

    async def _settle(self, lease: Lease) -> None:
        place = Place(self._room, self._cost_bytes)
        try:
            if self._ledger.is_done(lease.message_id):
                self._tally.redelivered += 1
            elif not await self._store(lease, place):
                return
            place.leave_early()
            await self._acknowledge(self._newest.get(lease.message_id, lease))
        finally:
            del self._in_work[lease.message_id]
            self._newest.pop(lease.message_id, None)
            self._tally.in_work = len(self._in_work)
            if not self._in_work:
                self._at_rest.set()
            place.leave()

    async def _store(self, lease: Lease, place: Place) -> bool:
        """Try until everything the message asks for is stored; False when it is set aside or let go."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await place.take_again()
                await self._path.store(lease, put=place.leave_early)
            except IngestError as error:
                if error.disposition is Disposition.STOP:
                    raise
                _let_go_of_frames(error)
                outage = error.disposition is Disposition.RETRY
                tries = (self._ledger.let_go if outage else self._ledger.failed)(lease.message_id)
                if self._is_final(error, tries):
                    self._set_aside(lease, error, tries)
                    return False
                away = isinstance(error, SourceAwayError)
                wait_s = pause_s(tries, at_least_s=self._options.pause_away_s if away else 0.0)
                if outage or loop.time() + wait_s > lease.deadline_s:
                    log.warning("let message %s go, to come back later: %s", lease.message_id, error)
                    return False
                self._tally.retries += 1
                self._observe(events.Retrying(f"task {key_of(lease)}", error, wait_s))
                if away:
                    place.leave_early()
                await asyncio.sleep(wait_s)
            else:
                self._ledger.done(lease.message_id)
                self._tally.stored += 1
                if self._wanted.left and self._wanted.settle(key_of(lease), stored=True):
                    self._observe(events.Mended(key_of(lease), lease.message_id))
                return True

    def _is_final(self, error: IngestError, tries: int) -> bool:
        if isinstance(error, MessageError | RefusedError):
            return True  # the same message, or the same request, will fare no better
        return tries >= (_RELEASES if error.disposition is Disposition.RETRY else self._options.attempts)

    def _set_aside(self, lease: Lease, error: IngestError, tries: int) -> None:
        lease = self._newest.get(lease.message_id, lease)
        event = events.SetAside(
            key_of(lease), lease.message_id, tries, error, max(0.0, lease.deadline_s - _now_s())
        )
        self._wanted.settle(event.key, stored=False)
        self._ledger.set_aside(lease.message_id)
        self._tally.set_aside.add(event)
        self._tally.set_aside.hidden_until(lease.deadline_s)
        self._observe(event)
        if self._tally.stored == 0 and len(self._tally.set_aside) >= self._options.hopeless_after:
            self._hopeless.set()

    async def _acknowledge(self, lease: Lease) -> None:
        """Delete the message; if that cannot be done in time it comes back, and is deleted then."""
        try:
            await self._retry(
                "SQS DeleteMessage",
                lambda: self._queue.acknowledge(lease),
                what=f"delete message {lease.message_id}",
                until_s=lease.deadline_s,
            )
        except IngestError as error:
            if error.disposition is Disposition.STOP:
                raise
            log.warning("message %s is done but not deleted yet: %s", lease.message_id, error)

    async def _finish_what_is_in_work(self) -> None:
        self._observe(events.Stopping(len(self._in_work)))
        drop = asyncio.create_task(self._stop.dropping.wait())
        finish = asyncio.create_task(_all_of(self._in_work.values()))
        try:
            await asyncio.wait(
                [drop, finish], timeout=self._options.grace_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            _cancel([drop, finish, *self._in_work.values()])


def _now_s() -> float:
    return asyncio.get_running_loop().time()


async def _any_of(*happenings: asyncio.Event) -> None:
    waits = [asyncio.create_task(happening.wait()) for happening in happenings]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        _cancel(waits)


async def _all_of(tasks: Iterable[asyncio.Task[None]]) -> None:
    if waiting := list(tasks):
        await asyncio.wait(waiting)


def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()


def _let_go_of_frames(error: BaseException | None) -> None:
    """Errors are kept for the report; in their tracebacks they would keep what was read of the source."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


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
