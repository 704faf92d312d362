"""The tasks in work: each is stored and then acknowledged, or tried again, let go, or set aside.

Nothing is acknowledged before it is stored. What becomes of a task that fails, its error's own disposition
says; it never holds up the others.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from boss_ingest.aws.queue import Lease, UploadQueue
from boss_ingest.engine import events
from boss_ingest.engine.budget import Place, Room
from boss_ingest.engine.ledger import Ledger
from boss_ingest.engine.options import Options
from boss_ingest.engine.paths import TaskPath
from boss_ingest.engine.retry import Retrier, pause_s
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.tasks import key_of
from boss_ingest.engine.wanted import Wanted
from boss_ingest.errors import Disposition, IngestError, MessageError, RefusedError, SourceAwayError

log = logging.getLogger(__name__)

_RELEASES = 6  # leases that one task may outlast before it is set aside


class InWork:
    """What this client works on now; `len()` of it is how many tasks."""

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
        wanted: Wanted,
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
        self._wanted = wanted
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._newest: dict[str, Lease] = {}  # later deliveries of what is in work
        self.at_rest = asyncio.Event()  # nothing is in work any more
        self.hopeless = asyncio.Event()  # task after task fails

    def __len__(self) -> int:
        return len(self._tasks)

    def renewed_by(self, lease: Lease) -> bool:
        """Whether an earlier delivery of its message is in work.

        That is deleted by the newest receipt then; the old one may have no effect any more.
        """
        if lease.message_id not in self._tasks:
            return False
        self._newest[lease.message_id] = lease
        return True

    def begin(self, lease: Lease, group: asyncio.TaskGroup) -> None:
        """Work on it, in the room that it was let into."""
        self._tasks[lease.message_id] = group.create_task(self._settle(lease))
        self._tally.in_work = len(self._tasks)

    async def finish(self, dropping: asyncio.Event) -> None:
        """Wait for all of them, as long as a stop may take or until `dropping`; cancel what is left."""
        self._observe(events.Stopping(len(self._tasks)))
        drop = asyncio.create_task(dropping.wait())
        finish = asyncio.create_task(_all_of(self._tasks.values()))
        try:
            await asyncio.wait(
                [drop, finish], timeout=self._options.grace_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for task in (drop, finish, *self._tasks.values()):
                task.cancel()

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
            del self._tasks[lease.message_id]
            self._newest.pop(lease.message_id, None)
            self._tally.in_work = len(self._tasks)
            if not self._tasks:
                self.at_rest.set()
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
        back_s = max(0.0, lease.deadline_s - asyncio.get_running_loop().time())
        event = events.SetAside(key_of(lease), lease.message_id, tries, error, back_s)
        self._wanted.settle(event.key, stored=False)
        self._ledger.set_aside(lease.message_id)
        self._tally.set_aside.add(event)
        self._tally.set_aside.hidden_until(lease.deadline_s)
        self._observe(event)
        if self._tally.is_hopeless(self._options.hopeless_after):
            self.hopeless.set()

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


async def _all_of(tasks: Iterable[asyncio.Task[None]]) -> None:
    if waiting := list(tasks):
        await asyncio.wait(waiting)


def _let_go_of_frames(error: BaseException | None) -> None:
    """Errors are kept for the report; in their tracebacks they would keep what was read of the source."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
