"""One queue: a SQLite file whose cost per operation does not grow with the number of messages.

Deliveries come from the index on `visible_at`, deletions from the primary key, depths from a counter and
the part of the index that lies in the future (docs/protocol.md, "Queues").
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boss_ingest.local.database import Database
from boss_ingest.local.receipts import Receipts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY, visible_at REAL NOT NULL, deliveries INTEGER NOT NULL DEFAULT 0,
    sent_at REAL NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS due ON messages (visible_at, deliveries);
"""
DUE = "SELECT id, deliveries, sent_at, body FROM messages WHERE visible_at <= ? ORDER BY visible_at LIMIT ?"
COUNT = "SELECT count(*), coalesce(max(id), 0) + 1 FROM messages"
NEXT_DUE = "SELECT min(visible_at) FROM messages WHERE visible_at > ?"
HIDDEN = "SELECT count(*), coalesce(sum(deliveries = 0), 0) FROM messages WHERE visible_at > ?"


class QueueGone(Exception):  # noqa: N818 - a state of the queue, not a fault of the program
    """The queue was deleted."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message handed out: its receipt is good for this delivery only."""

    message_id: str
    receipt: str
    body: str
    deliveries: int
    sent_at: float


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages can be received now, are with some receiver, or are delayed."""

    visible: int
    in_flight: int
    delayed: int


class Queue:
    """One standard queue. Not thread safe: all calls come from the event loop's thread.

    `name` and `visibility_s` are its attributes; `duplicate_rate` of its deliveries happen twice. No
    receiver keeps a message longer than `longest_visibility_s`, whatever it asks for.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        secret: bytes,
        visibility_s: float,
        longest_visibility_s: float = math.inf,
        duplicate_rate: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.name = name
        self.visibility_s = visibility_s
        self._longest_visibility_s = longest_visibility_s
        self.created_at = time.time()
        self.filling = 0  # messages written so far by someone who fills the queue from outside
        self._path = path
        self._receipts = Receipts(secret)
        self._duplicate_rate = duplicate_rate
        self._random = random.Random(f"{seed} {name}")  # noqa: S311 - repeatable on purpose
        self._duplicates: deque[tuple[int, int, float, str]] = deque()
        self._waiting: set[asyncio.Future[None]] = set()
        self._gone = False
        self._database = Database(path, SCHEMA)
        self._total: int
        self._next: int
        self._total, self._next = self._database.read(COUNT)[0]

    def send(self, bodies: Sequence[str], *, delay_s: float = 0.0) -> list[str]:
        """Append messages and return their ids. They are durable once `committed()` returns."""
        self._check()
        now = time.time()
        numbers = range(self._next, self._next + len(bodies))
        self._database.write_many(
            "INSERT INTO messages (id, visible_at, sent_at, body) VALUES (?, ?, ?, ?)",
            [(number, now + delay_s, now, body) for number, body in zip(numbers, bodies, strict=True)],
        )
        self._next += len(bodies)
        self._total += len(bodies)
        self._wake()
        return [self._receipts.message_id(number) for number in numbers]

    async def receive(self, most: int, *, wait_s: float, visibility_s: float | None = None) -> list[Delivery]:
        """Up to `most` messages; waits up to `wait_s` for the first. Raises QueueGone."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        hidden_s = min(
            self.visibility_s if visibility_s is None else visibility_s, self._longest_visibility_s
        )
        while True:
            self._check()
            now = time.time()
            if found := self._take(most, now, hidden_s):
                return found
            left_s = until - loop.time()
            if left_s <= 0:
                return []
            await self._wait(min(left_s, self._next_due_in(now)))

    def delete(self, receipt: str) -> bool:
        """Delete the message of this receipt; False when the receipt is no receipt of this queue.

        A receipt that a later delivery made stale is accepted and has no effect.
        """
        self._check()
        claim = self._receipts.read(receipt)
        if claim is None:
            return False
        cursor = self._database.write("DELETE FROM messages WHERE id = ? AND deliveries = ?", claim)
        self._total -= cursor.rowcount
        return True

    def depth(self) -> Depth:
        """Its depth at this instant; what SQS calls approximate is exact here."""
        self._check()
        hidden, delayed = self._database.read(HIDDEN, (time.time(),))[0]
        return Depth(self._total + self.filling - hidden, hidden - delayed, delayed)

    def expire(self, before: float) -> None:
        """Drop messages sent before this time; a queue that is gone has none."""
        if self._gone:
            return
        newest = self._database.one(
            "SELECT id FROM messages WHERE sent_at >= ? ORDER BY id LIMIT 1", (before,)
        )
        edge = newest[0] if newest else self._next
        self._total -= self._database.write("DELETE FROM messages WHERE id < ?", (edge,)).rowcount

    async def committed(self) -> None:
        """Return when everything done so far survives the death of the process."""
        await self._database.committed()

    async def checkpoint(self) -> None:
        """Keep the write-ahead log short."""
        if not self._gone:
            await self._database.checkpoint()

    def replace(self, filled: Path, count: int) -> None:
        """Take the `count` messages of a finished file instead of the present ones, atomically."""
        self._check()
        self._database.close()
        _unlink(self._path)
        filled.replace(self._path)
        self.filling = 0
        self._database = Database(self._path, SCHEMA)
        self._total, self._next = count, count + 1
        self._wake()

    def release(self) -> None:
        """Make what is in flight visible again: whoever had it died."""
        now = time.time()
        self._database.write("UPDATE messages SET visible_at = ? WHERE visible_at > ?", (now, now))
        self._wake()

    def close(self) -> None:
        """Let go of the file; whoever waits for a message learns that the queue is gone."""
        self._gone = True
        self._database.close()
        self._wake()

    def remove_file(self) -> None:
        """Delete all messages of a closed queue."""
        _unlink(self._path)

    def _check(self) -> None:
        if self._gone:
            raise QueueGone(self.name)

    def _take(self, most: int, now: float, hidden_s: float) -> list[Delivery]:
        again = [self._duplicates.popleft() for _ in range(min(most, len(self._duplicates)))]
        rows = self._database.read(DUE, (now, most - len(again))) if len(again) < most else []
        if rows:
            self._database.write_many(
                "UPDATE messages SET visible_at = ?, deliveries = deliveries + 1 WHERE id = ?",
                [(now + hidden_s, row[0]) for row in rows],
            )
        fresh = [(number, deliveries + 1, sent_at, body) for number, deliveries, sent_at, body in rows]
        if self._duplicate_rate:
            self._duplicates += [row for row in fresh if self._random.random() < self._duplicate_rate]
        return [self._delivery(*row) for row in again + fresh]

    def _delivery(self, number: int, deliveries: int, sent_at: float, body: str) -> Delivery:
        receipt = self._receipts.write(number, deliveries)
        return Delivery(self._receipts.message_id(number), receipt, body, deliveries, sent_at)

    def _next_due_in(self, now: float) -> float:
        due_at = self._database.read(NEXT_DUE, (now,))[0][0]
        return float("inf") if due_at is None else max(0.001, due_at - now)

    async def _wait(self, at_most_s: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(woken)
        try:
            await asyncio.wait([woken], timeout=at_most_s)
        finally:
            self._waiting.discard(woken)

    def _wake(self) -> None:
        for woken in self._waiting:
            if not woken.done():
                woken.set_result(None)
        self._waiting.clear()


def _unlink(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
