"""Gathers what many callers ask for one by one into requests of up to ten entries."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from boss_ingest.aws.queue import BATCH_BYTES, BATCH_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from boss_ingest.errors import ServiceError

Entry = TypeVar("Entry")

LINGER_S = 0.05
"""How long an entry waits for company: from 200 entries a second on batches are full. It costs no throughput,
for a task that waits for its last answers takes no room from others (`boss_ingest.engine.budget`)."""

FLIGHTS = 8
"""Requests of one batcher that may be under way at once."""


@dataclass(slots=True)
class _Waiting(Generic[Entry]):
    entry: Entry
    size_bytes: int
    done: asyncio.Future[None]


class Batcher(Generic[Entry]):
    """A batch goes off when it is full, or when its first entry has waited `linger_s`.

    Up to `flights` batches are under way at once; entries that come meanwhile gather. `flush` does one
    request: it returns one outcome per entry, None or the entry's own error, or raises one for them all.
    A caller that is cancelled takes only its own entry back, if that is not yet under way.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Entry]], Awaitable[Sequence[ServiceError | None]]],
        *,
        linger_s: float = LINGER_S,
        flights: int = FLIGHTS,
        drain_s: float = 10.0,
    ) -> None:
        self._flush = flush
        self._linger_s = linger_s
        self._flights = flights
        self._drain_s = drain_s
        self._waiting: deque[_Waiting[Entry]] = deque()
        self._waiting_bytes = 0
        self._under_way: dict[asyncio.Task[None], list[_Waiting[Entry]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = False
        self._closed = False

    async def close(self) -> None:
        """Send what waits, and stay until all callers have their answers or `drain_s` have passed."""
        self._closed = True
        self._lingered()
        try:
            async with asyncio.timeout(self._drain_s):
                while awaited := self._awaited():
                    await asyncio.wait(awaited)
        except TimeoutError:
            pass  # those who wait for an answer are told by the cancellation below
        finally:
            for waiting in self._waiting:
                waiting.done.cancel()
            self._waiting.clear()
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _awaited(self) -> list[asyncio.Task[None]]:
        """The requests that callers, if any are left, wait for: for their answers, or for their end."""
        more = _has_callers(self._waiting)
        return [task for task, batch in self._under_way.items() if more or _has_callers(batch)]

    async def submit(self, entry: Entry, *, size_bytes: int = 0) -> None:
        """Return when the service has accepted the entry; raise the entry's own error when it has not."""
        if self._closed:
            raise RuntimeError("the batcher is closed")
        waiting = _Waiting(entry, size_bytes, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._waiting_bytes += size_bytes
        self._launch()
        await waiting.done

    def _launch(self) -> None:
        """Send off what is due, as far as there are flights; else see that it becomes due."""
        while self._waiting and len(self._under_way) < self._flights and (self._due or self._is_full()):
            if batch := self._take():
                task = asyncio.create_task(self._fly(batch))
                self._under_way[task] = batch
                task.add_done_callback(self._landed)
        if self._waiting and not self._due and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._linger_s, self._lingered)
        if not self._waiting:
            self._due = self._closed
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _is_full(self) -> bool:
        return len(self._waiting) >= BATCH_ENTRIES or self._waiting_bytes >= BATCH_BYTES

    def _lingered(self) -> None:
        self._timer = None
        self._due = True
        self._launch()

    def _take(self) -> list[_Waiting[Entry]]:
        batch: list[_Waiting[Entry]] = []
        size_bytes = 0
        while self._waiting and len(batch) < BATCH_ENTRIES:
            if batch and size_bytes + self._waiting[0].size_bytes > BATCH_BYTES:
                break
            waiting = self._waiting.popleft()
            self._waiting_bytes -= waiting.size_bytes
            if not waiting.done.cancelled():
                batch.append(waiting)
                size_bytes += waiting.size_bytes
        return batch

    async def _fly(self, batch: list[_Waiting[Entry]]) -> None:
        try:
            outcomes = await self._flush([waiting.entry for waiting in batch])
            answered = list(zip(batch, outcomes, strict=True))
        except asyncio.CancelledError:
            for waiting in batch:
                waiting.done.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait for it
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_exception(error)
        else:
            for waiting, outcome in answered:
                if waiting.done.done():
                    continue
                if outcome is None:
                    waiting.done.set_result(None)
                else:
                    waiting.done.set_exception(outcome)

    def _landed(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._launch()


def _has_callers(entries: Iterable[_Waiting[Entry]]) -> bool:
    return any(not waiting.done.done() for waiting in entries)
