"""An SQS queue in memory, with leases and redelivery, that passes the queue contract."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boss_ingest.aws.queue import Depth, Lease, check_lease_request
from boss_ingest.errors import QueueGoneError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(slots=True)
class _Message:
    body: str
    deliveries: int = 0
    receipt: str = ""


class MemoryQueue:
    """Both an `UploadQueue` and an `IndexQueue`; `clock` defaults to the event loop's.

    Messages are delivered in the order sent. With a clock of its own a long poll waits for messages to be
    sent, not for leases to end: advance the clock, then lease again. `supply` are bodies that count as sent
    but are drawn only when they are leased, so a million of them need no memory.
    """

    def __init__(
        self,
        name: str = "upload",
        *,
        clock: Callable[[], float] | None = None,
        supply: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._clock = clock
        self._numbers = itertools.count(1)
        self._messages: dict[int, _Message] = {}
        self._visible: list[int] = []  # a heap: the oldest first
        self._leased: list[tuple[float, int, str]] = []  # a heap: when visible again, number, receipt
        self._supply: Iterator[str] = iter(supply)
        self._supply_left = len(supply)
        self._arrived = asyncio.Event()
        self._gone = False

    @property
    def bodies(self) -> list[str]:
        """Of all messages that are not acknowledged, leased or not; without what is still in the supply."""
        return [message.body for _, message in sorted(self._messages.items())]

    async def send(self, body: str) -> None:
        self._check_it_is_there("sending to")
        self._add(body)
        self._arrived.set()

    async def lease(self, most: int, *, wait_s: float, lease_s: float) -> list[Lease]:
        check_lease_request(most, wait_s=wait_s, lease_s=lease_s)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_s
        while True:
            self._check_it_is_there("receiving from")
            leases = self._deliver(most, math.floor(lease_s))
            if leases or loop.time() >= until_s:
                return leases
            self._arrived.clear()
            try:
                async with asyncio.timeout_at(min(until_s, self._next_visible_s(until_s))):
                    await self._arrived.wait()
            except TimeoutError:
                pass

    async def acknowledge(self, lease: Lease) -> None:
        self._check_it_is_there("acknowledging to")
        number = int(lease.message_id.removeprefix("message-"))
        message = self._messages.get(number)
        if message is not None and message.receipt == lease.receipt:
            del self._messages[number]

    async def depth(self) -> Depth:
        self._check_it_is_there("counting")
        self._end_leases()
        visible = sum(number in self._messages for number in self._visible)
        return Depth(visible + self._supply_left, len(self._messages) - visible, 0)

    def delete(self) -> None:
        """As when the job is completed or cancelled elsewhere."""
        self._gone = True
        self._arrived.set()

    def _add(self, body: str) -> None:
        number = next(self._numbers)
        self._messages[number] = _Message(body)
        heapq.heappush(self._visible, number)

    def _deliver(self, most: int, lease_s: int) -> list[Lease]:
        self._end_leases()
        leases: list[Lease] = []
        while len(leases) < most and (self._visible or self._draw()):
            number = heapq.heappop(self._visible)
            if message := self._messages.get(number):
                leases.append(self._lease(number, message, self._now_s() + lease_s))
        return leases

    def _draw(self) -> bool:
        for body in itertools.islice(self._supply, 1):
            self._supply_left -= 1
            self._add(body)
        return bool(self._visible)

    def _lease(self, number: int, message: _Message, deadline_s: float) -> Lease:
        message.deliveries += 1
        message.receipt = f"message-{number}-delivery-{message.deliveries}"
        heapq.heappush(self._leased, (deadline_s, number, message.receipt))
        return Lease(f"message-{number}", message.receipt, message.body, deadline_s, message.deliveries)

    def _end_leases(self) -> None:
        """What was leased and neither acknowledged nor leased again in time is there for anyone once more."""
        now_s = self._now_s()
        while self._leased and self._leased[0][0] <= now_s:
            _, number, _ = ended = heapq.heappop(self._leased)
            if not self._is_settled(ended):
                heapq.heappush(self._visible, number)
        if len(self._leased) > 2 * len(self._messages) + 100:
            self._leased = [leased for leased in self._leased if not self._is_settled(leased)]
            heapq.heapify(self._leased)

    def _is_settled(self, leased: tuple[float, int, str]) -> bool:
        message = self._messages.get(leased[1])
        return message is None or message.receipt != leased[2]

    def _next_visible_s(self, otherwise_s: float) -> float:
        if self._clock is not None or not self._leased:
            return otherwise_s
        return self._leased[0][0]

    def _now_s(self) -> float:
        return self._clock() if self._clock else asyncio.get_running_loop().time()

    def _check_it_is_there(self, doing: str) -> None:
        if self._gone:
            raise QueueGoneError(f"{doing} queue {self.name}: QueueDoesNotExist", code="QueueDoesNotExist")
