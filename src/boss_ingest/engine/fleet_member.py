"""The inside of one of several uploading processes: one account, one pipeline, and a parent that decides.

Like a worker process it does not hear Ctrl-C or SIGTERM and ends with its parent, however that ends: the
thread that listens sees the pipe close. What it prints and logs ends up in the parent's log.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import os
import queue
import threading
import traceback
from collections.abc import Callable
from typing import IO, NoReturn

from boss_ingest.aws.keys import Issue, Keys
from boss_ingest.encode.child import take_over_pipes
from boss_ingest.engine import events
from boss_ingest.engine import fleet_wire as wire
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.upload import Work
from boss_ingest.engine.uploader import Uploader, open_here
from boss_ingest.engine.wanted import Wanted
from boss_ingest.errors import CredentialsError, IngestError
from boss_ingest.plugins.loading import load_source

_TELL_S = 0.1
_BEAT_S = 1.0  # the longest silence of one whose event loop runs

Say = Callable[[wire.FromChild], None]


def main() -> NoReturn:
    """Work for the parent at the other end of the inherited pipes; never returns."""
    orders, heard = take_over_pipes()
    voice = _Voice(heard)
    begin = wire.read(orders)
    assert isinstance(begin, wire.Begin)
    _log_to(voice.say, begin.log_level)
    asyncio.run(_work(begin, orders, voice))
    raise AssertionError("unreachable")


async def _work(begin: wire.Begin, orders: IO[bytes], voice: _Voice) -> NoReturn:
    try:
        member = _Member(begin, voice.say)
        _listen(orders, member.hear)
        await member.serve()
    except IngestError as error:
        voice.say(wire.Failed(wire.portable(error)))
    except Exception as error:  # noqa: BLE001 - a mistake of ours, for the parent to tell
        voice.say(wire.Broken(f"{type(error).__name__}: {error}", traceback.format_exc()))
    voice.close()
    os._exit(0)  # a thread of the source that hangs keeps nobody waiting


def _listen(orders: IO[bytes], hear: Callable[[wire.ToChild], None]) -> None:
    """Let the event loop hear what the parent says, and end the process when it hangs up."""
    loop = asyncio.get_running_loop()

    def listen() -> NoReturn:
        try:
            while True:
                loop.call_soon_threadsafe(hear, wire.read(orders))
        finally:
            os._exit(0)

    threading.Thread(target=listen, name="listen", daemon=True).start()


class _Voice:
    """Says things to the parent from a thread of its own: a pipe may block, the event loop may not."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._messages: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._speak, name="voice", daemon=True)
        self._thread.start()

    def say(self, message: wire.FromChild) -> None:
        self._messages.put(wire.pack(message))

    def close(self) -> None:
        """Return when all is said."""
        self._messages.put(None)
        self._thread.join()

    def _speak(self) -> None:
        try:
            while (message := self._messages.get()) is not None:
                self._pipe.write(message)
                self._pipe.flush()
        except OSError:
            os._exit(1)  # nobody listens


class _LogToParent(logging.Handler):
    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(wire.Said(record.name, record.levelno, self.format(record)))


def _log_to(say: Say, level: int) -> None:
    root = logging.getLogger("boss_ingest")
    root.setLevel(level)
    root.addHandler(_LogToParent(say))
    root.propagate = False


class _LentKeys:
    """Keys that the parent keeps: they come unasked, and when they are refused it is asked for others."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._answer: asyncio.Future[IngestError | None] | None = None

    def keeper(self, issue: Issue, install: Callable[[Keys], None]) -> _LentKeys:
        """As an `Account` makes it."""
        self._issue, self.install = issue, install
        return self

    async def start(self) -> None:
        """Use the keys that came with the work."""
        self.install(await self._issue())

    async def renew(self, *, because: CredentialsError) -> None:
        """Ask the parent, once for all who come meanwhile. Raises what it met."""
        if self._answer is None:
            self._answer = asyncio.get_running_loop().create_future()
            self._say(wire.Refused(because))
        if (error := await asyncio.shield(self._answer)) is not None:
            raise error

    async def renew_ahead_of_time(self) -> None:
        """That is the parent's business."""

    def answered(self, error: IngestError | None) -> None:
        """The parent did what it could."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.set_result(error)


class _Member:
    """What a child knows and is told."""

    def __init__(self, begin: wire.Begin, say: Say) -> None:
        self._begin = begin
        self._say = say
        self._told: list[events.Event] = []
        self._last = wire.Progress(Tally().counts)
        self._told_at_s = 0.0
        self._siblings = begin.siblings
        self._rounds: asyncio.Queue[wire.Run | wire.Close] = asyncio.Queue()
        self._keys = _LentKeys(say)
        self._work = Work(
            begin.job,
            load_source(begin.job, builtin_only=begin.builtin_only),
            begin.options,
            Tally(total=begin.joined.job.tile_count),
            self._observe,
            Stop(),
            Wanted(begin.wanted, alone=begin.wanted_alone),
        )
        self._work.tally.set_aside.elsewhere(begin.set_aside)

    async def serve(self) -> None:
        """Do one round after the other until the parent says that was all."""
        telling = asyncio.create_task(self._tell_often())
        begin = self._begin
        here = open_here(
            self._work,
            begin.joined,
            self._first_keys,
            begin.access,
            keep=self._keys.keeper,
            siblings=self._siblings,
        )
        try:
            async with here as uploader:
                self._say(wire.Ready())
                while isinstance(await self._rounds.get(), wire.Run):
                    await self._round(uploader)
        finally:
            telling.cancel()
            self._tell()

    async def _round(self, uploader: Uploader) -> None:
        try:
            result: wire.FromChild = wire.Ended(await uploader.run())
        except IngestError as error:
            result = wire.Failed(wire.portable(error))
        self._tell()
        self._say(result)

    async def _first_keys(self) -> Keys:
        return self._begin.keys

    def hear(self, message: wire.ToChild) -> None:
        """Do as the parent says."""
        tally, stop, wanted = self._work.tally, self._work.stop, self._work.wanted
        match message:
            case wire.Run() | wire.Close():
                self._rounds.put_nowait(message)
            case wire.Drain():
                stop.draining.set()
            case wire.Drop():
                stop.draining.set()
                stop.dropping.set()
            case wire.NewKeys(keys):
                self._keys.install(keys)
            case wire.Renewed(error):
                self._keys.answered(error)
            case wire.Elsewhere(key, message_id):
                wanted.left.discard(key)
                if message_id:
                    tally.set_aside.elsewhere([message_id])
            case wire.Left(visible, in_flight):
                tally.left_visible, tally.left_in_flight = visible, in_flight
            case wire.OthersBusy(busy):
                self._siblings.busy = busy

    def _observe(self, event: events.Event) -> None:
        if isinstance(event, events.Retrying | events.SetAside):
            event = dataclasses.replace(event, error=wire.portable(event.error))
        self._told.append(event)
        if isinstance(event, events.SetAside):
            self._tell()  # before others try the same

    async def _tell_often(self) -> NoReturn:
        while True:
            self._tell()
            await asyncio.sleep(_TELL_S)

    def _tell(self) -> None:
        """Tell the parent what is new since the last time; now and then also that nothing is."""
        tally, now_s = self._work.tally, asyncio.get_running_loop().time()
        left = None
        if tally.left_visible is not None and tally.left_in_flight is not None:
            left = wire.Left(tally.left_visible, tally.left_in_flight)
        progress = wire.Progress(tally.counts, tuple(self._told), left)
        if progress != self._last or now_s - self._told_at_s >= _BEAT_S:
            self._told_at_s = now_s
            self._last = dataclasses.replace(progress, events=())
            self._told.clear()
            back_s = max(0.0, tally.set_aside.back_s - now_s)
            self._say(dataclasses.replace(progress, set_aside_back_s=back_s))
