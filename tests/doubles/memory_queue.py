"""An SQS queue in memory, with leases and redelivery, that passes the queue contract."""

from __future__ import annotations

import asyncio
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boss_ingest.aws.queue import Depth, Lease, check_lease_request
from boss_ingest.errors import QueueGoneError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class _Message:
    message_id: str
    body: str
    visible_at_s: float = 0.0
    deliveries: int = 0
    receipt: str = ""


class MemoryQueue:
    """Both an `UploadQueue` and an `IndexQueue`; `clock` defaults to the event loop's.

    Messages are delivered in the order sent. With a clock of its own a long poll waits for messages to be
    sent, not for leases to end: advance the clock, then lease again.
    """

    def __init__(self, name: str = "upload", *, clock: Callable[[], float] | None = None) -> None:
        self.name = name
        self._clock = clock
        self._numbers = itertools.count(1)
        self._messages: dict[str, _Message] = {}
        self._arrived = asyncio.Event()
        self._gone = False

    @property
    def bodies(self) -> list[str]:
        """Of all messages that are not acknowledged, leased or not."""
        return [message.body for message in self._messages.values()]

    async def send(self, body: str) -> None:
        self._check_it_is_there("sending to")
        message_id = f"message-{next(self._numbers)}"
        self._messages[message_id] = _Message(message_id, body)
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
        message = self._messages.get(lease.message_id)
        if message is not None and message.receipt == lease.receipt:
            del self._messages[lease.message_id]

    async def depth(self) -> Depth:
        self._check_it_is_there("counting")
        now_s = self._now_s()
        visible = sum(message.visible_at_s <= now_s for message in self._messages.values())
        return Depth(visible, len(self._messages) - visible, 0)

    def delete(self) -> None:
        """As when the job is completed or cancelled elsewhere."""
        self._gone = True
        self._arrived.set()

    def _deliver(self, most: int, lease_s: int) -> list[Lease]:
        now_s = self._now_s()
        visible = (message for message in self._messages.values() if message.visible_at_s <= now_s)
        return [self._lease(message, now_s + lease_s) for message in itertools.islice(visible, most)]

    def _lease(self, message: _Message, deadline_s: float) -> Lease:
        message.visible_at_s = deadline_s
        message.deliveries += 1
        message.receipt = f"{message.message_id}-delivery-{message.deliveries}"
        return Lease(message.message_id, message.receipt, message.body, deadline_s, message.deliveries)

    def _next_visible_s(self, otherwise_s: float) -> float:
        if self._clock is not None:
            return otherwise_s
        return min((message.visible_at_s for message in self._messages.values()), default=otherwise_s)

    def _now_s(self) -> float:
        return self._clock() if self._clock else asyncio.get_running_loop().time()

    def _check_it_is_there(self, doing: str) -> None:
        if self._gone:
            raise QueueGoneError(f"{doing} queue {self.name}: QueueDoesNotExist", code="QueueDoesNotExist")
