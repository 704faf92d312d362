"""The upload in several processes that this one, their parent, watches over (`--processes`).

Each child is a whole client of its own, with its share of the concurrency, the memory and the workers.
The parent leases nothing. It keeps the keys of all, so that the Boss is joined once; adds up what the
children count, so that whoever watches sees one client; tells each what the others set aside, so that a
task that fails is not tried by all; and replaces those that die or hang.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from boss_ingest.aws.account import Issue
from boss_ingest.aws.keys import Keyring, Keys
from boss_ingest.boss.jobs import Joined
from boss_ingest.engine import events
from boss_ingest.engine import fleet_wire as wire
from boss_ingest.engine.expiry import Forecast
from boss_ingest.engine.fleet_process import MemberProcess
from boss_ingest.engine.pipeline import End
from boss_ingest.engine.siblings import Siblings
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.upload import Work
from boss_ingest.engine.uploader import Access
from boss_ingest.errors import CredentialsError, GaveUpError, IngestError

_DEATHS = 3  # of each process, on average, with nothing stored in between: then there is no use in another
_CLOSE_S, _DROP_S, _KILL_S = 15.0, 3.0, 1.0


class _Seat:
    """A place for one child; another takes it when the first dies."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.process: MemberProcess | None = None
        self.ready = False
        self.given_up = False  # nobody takes the place of the one that died
        self.end: End | None = None
        self.vacate()

    def vacate(self) -> None:
        """Nobody sits there, and nobody new has told anything."""
        self.process = None
        self.counts = Tally().counts
        self.in_work = 0
        self.left: wire.Left | None = None
        self.others_busy = False

    def tell(self, message: wire.ToChild) -> None:
        if self.process is not None:
            self.process.tell(message)


class Fleet:
    """Async context manager; an `Uploader`. Entering raises what keeps a child from beginning."""

    def __init__(self, work: Work, joined: Joined, issue: Issue, access: Access) -> None:
        self._work = work
        self._tally = work.tally
        self._joined = dataclasses.replace(joined, credentials=None)
        self._access = access
        self._keyring = Keyring(issue, self._lend)
        self._keys: Keys | None = None
        self._seats = [_Seat(number) for number in range(work.options.processes)]
        self._forecast = Forecast(work.expires, work.tally, work.observe)
        self._tasks: set[asyncio.Task[None]] = set()
        self._attending: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._error: Exception | None = None
        self._running = self._hopeless = self._closing = False
        self._last_end = End.DRAINED
        self._deaths = self._stored_before = 0
        self._waited_at = -1  # tasks stored when it was told that others' are waited for

    async def __aenter__(self) -> Self:
        await self._keyring.start()
        self._begin(self._keyring.renew_ahead_of_time())
        self._attending = [self._begin(self._attend(seat)) for seat in self._seats]
        try:
            await self._until(lambda: all(seat.ready for seat in self._seats))
        except BaseException:
            await self._close(_DROP_S)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        dropped = isinstance(error, asyncio.CancelledError) or self._error is not None
        await self._close(_DROP_S if dropped else _CLOSE_S)

    async def run(self) -> End:
        """Work until the queue is drained, a stop is asked for, or nothing at all succeeds.

        Raises the error that ends the whole run, as a pipeline does.
        """
        for seat in self._seats:
            seat.end = End.STOPPED if seat.given_up else None
            seat.tell(wire.Run())
        self._running = True
        stopping = asyncio.create_task(self._pass_on_stop())
        try:
            await self._until(lambda: all(seat.end is not None for seat in self._seats))
        finally:
            self._running = False
            stopping.cancel()
        if any(seat.end is End.STOPPED for seat in self._seats):
            return End.STOPPED if self._work.stop.draining.is_set() else End.HOPELESS
        if self._last_end is End.DRAINED:
            self._work.wanted.alone = False
        return self._last_end

    async def _until(self, done: Callable[[], bool]) -> None:
        while self._error is None and not done():
            self._changed.clear()
            await self._changed.wait()
        if self._error is not None:
            raise self._error

    async def _close(self, limit_s: float) -> None:
        self._closing = True
        if limit_s == _DROP_S:
            self._tell_all(wire.Drop())
        self._tell_all(wire.Close())
        try:
            await asyncio.wait(self._attending, timeout=limit_s)
        finally:
            for seat in self._seats:
                if seat.process is not None:
                    seat.process.kill()
            await asyncio.wait(self._attending, timeout=_KILL_S)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _tell_all(self, message: wire.ToChild, *, but: _Seat | None = None) -> None:
        for seat in self._seats:
            if seat is not but:
                seat.tell(message)

    def _fail(self, error: Exception) -> None:
        """The first error ends the run; others follow from it."""
        if self._error is None:
            self._error = error
            self._tell_all(wire.Drop())
            self._changed.set()

    async def _pass_on_stop(self) -> None:
        stop = self._work.stop
        await stop.draining.wait()
        self._drain()
        await stop.dropping.wait()
        self._tell_all(wire.Drop())

    def _drain(self) -> None:
        self._work.observe(events.Stopping(self._tally.in_work))
        self._tell_all(wire.Drain())

    # One child

    async def _attend(self, seat: _Seat) -> None:
        """Keep the seat taken for as long as there is something to do."""
        try:
            while not (self._is_over or seat.given_up):
                await self._live(seat)
        except Exception as error:  # noqa: BLE001 - raised by `run`
            self._fail(error)

    @property
    def _is_over(self) -> bool:
        return self._closing or self._error is not None

    async def _live(self, seat: _Seat) -> None:
        """From the start of a child to its end."""
        try:
            process = seat.process = await MemberProcess.start(
                seat.number + 1, silence_s=self._work.options.silence_s
            )
        except OSError as error:
            raise GaveUpError(
                f"no more process can be started: {error}",
                hint="raise the limit on processes or memory, or use fewer --processes",
            ) from error
        process.tell(self._how_matters_stand(seat))
        if self._is_over:
            process.kill()
        elif self._running:
            seat.end = None
            process.tell(wire.Run())
        try:
            with suppress(EOFError):
                while True:
                    self._take(seat, process, await process.hear())
            how = await process.gone()
        finally:
            process.kill()
            self._tally.in_work -= seat.in_work
            seat.vacate()
            self._tell_who_is_busy()
        if not self._is_over:
            self._mourn(seat, how)

    def _how_matters_stand(self, seat: _Seat) -> wire.Begin:
        work = self._work
        assert self._keys is not None
        return wire.Begin(
            work.job,
            work.source.builtin,
            work.options.share(seat.number),
            self._joined,
            self._access,
            self._keys,
            Siblings(seat.number, len(self._seats)),
            logging.getLogger("boss_ingest").getEffectiveLevel(),
            frozenset(work.wanted.left),
            work.wanted.alone,
            tuple(self._tally.set_aside.message_ids),
        )

    def _mourn(self, seat: _Seat, how: str) -> None:
        """A child died that was not to."""
        if self._tally.stored > self._stored_before:
            self._deaths, self._stored_before = 0, self._tally.stored
        self._deaths += 1
        if self._deaths > _DEATHS * len(self._seats):
            raise GaveUpError(
                f"upload processes die again and again, the last by {how}",
                hint="look into the log; with --processes 1 all is done in one process",
            )
        self._work.observe(events.ProcessDied(seat.number + 1, how))
        if self._work.stop.draining.is_set() or self._hopeless:
            seat.given_up, seat.end = True, End.STOPPED
            self._changed.set()

    # What children say

    def _take(self, seat: _Seat, process: MemberProcess, message: wire.FromChild) -> None:
        match message:
            case wire.Progress():
                self._note(seat, message)
            case wire.Refused(error):
                self._begin(self._renew(process, error))
            case wire.Ready():
                seat.ready = True
            case wire.Ended(end):
                seat.end = self._last_end = end
            case wire.Failed(error):
                self._fail(error)
            case wire.Broken(what, trace):
                bug = RuntimeError(f"upload process {seat.number + 1}: {what}")
                bug.add_note(trace)
                self._fail(bug)
            case wire.Said(logger, level, text):
                log = logging.getLogger(logger)
                log.log(level, "process %d: %s", seat.number + 1, text)
        self._changed.set()

    def _note(self, seat: _Seat, progress: wire.Progress) -> None:
        tally = self._tally
        before = tally.in_work
        tally.add(progress.counts, since=seat.counts)
        seat.counts = progress.counts
        seat.in_work += tally.in_work - before
        now_s = asyncio.get_running_loop().time()
        if progress.set_aside_back_s:
            tally.set_aside.hidden_until(now_s + progress.set_aside_back_s)
        if progress.left is not None and progress.left != seat.left:
            self._note_left(seat, progress.left)
        for event in progress.events:
            self._pass_on(seat, event)
        self._tell_who_is_busy()

    def _tell_who_is_busy(self) -> None:
        for seat in self._seats:
            busy = self._tally.in_work > seat.in_work
            if busy != seat.others_busy:
                seat.others_busy = busy
                seat.tell(wire.OthersBusy(busy))

    def _note_left(self, seat: _Seat, left: wire.Left) -> None:
        for each in self._seats:
            each.left = left
        self._tally.left_visible, self._tally.left_in_flight = left.visible, left.in_flight
        self._tell_all(left, but=seat)
        self._forecast.look()

    def _pass_on(self, seat: _Seat, event: events.Event) -> None:
        """Tell whoever watches, and the other children, as one client would."""
        tally, wanted = self._tally, self._work.wanted
        match event:
            case events.Stopping():
                return  # told for all of them
            case events.WaitingForOthers():
                if self._waited_at == tally.stored:
                    return
                self._waited_at = tally.stored
            case events.Mended(key):
                wanted.settle(key, stored=True)
                self._tell_all(wire.Elsewhere(key), but=seat)
            case events.SetAside(key, message_id):
                if message_id in tally.set_aside:
                    return
                wanted.settle(key, stored=False)
                tally.set_aside.add(event)
                self._tell_all(wire.Elsewhere(key, message_id), but=seat)
        self._work.observe(event)
        self._look_for_hope()

    def _look_for_hope(self) -> None:
        if self._tally.is_hopeless(self._work.options.hopeless_after) and not self._hopeless:
            self._hopeless = True
            self._drain()

    # Keys

    def _lend(self, keys: Keys) -> None:
        self._keys = keys
        self._tell_all(wire.NewKeys(keys))

    async def _renew(self, process: MemberProcess, refusal: CredentialsError) -> None:
        trouble: IngestError | None = None
        try:
            await self._keyring.renew(because=refusal)
        except IngestError as error:
            trouble = error
        process.tell(wire.Renewed(trouble))
