"""One queue: what it promises, and that none of it costs more when the queue is long."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from boss_ingest.local import queue_store
from boss_ingest.local.populate import write_messages
from boss_ingest.local.queue_store import Queue, QueueGone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[Queue]:
    queue = Queue(tmp_path / "q.sqlite", name="q", secret=b"secret", visibility_s=60.0)
    yield queue
    queue.close()


async def test_a_message_is_delivered_once_while_it_is_in_flight(queue: Queue) -> None:
    queue.send(["a", "b", "c"])
    first = await queue.receive(2, wait_s=0)
    second = await queue.receive(10, wait_s=0)
    assert [one.body for one in (*first, *second)] == ["a", "b", "c"]
    assert (queue.depth().visible, queue.depth().in_flight) == (0, 3)


async def test_a_message_comes_back_when_its_visibility_times_out(queue: Queue) -> None:
    queue.send(["a"])
    (first,) = await queue.receive(1, wait_s=0, visibility_s=0.05)
    (again,) = await queue.receive(1, wait_s=10)
    assert (again.message_id, again.deliveries) == (first.message_id, 2)
    assert again.receipt != first.receipt


async def test_no_receiver_keeps_a_message_longer_than_the_queue_allows(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "c.sqlite", name="c", secret=b"s", visibility_s=60.0, longest_visibility_s=0.05)
    queue.send(["a"])
    (first,) = await queue.receive(1, wait_s=0, visibility_s=170.0)
    (again,) = await queue.receive(1, wait_s=10)
    assert (again.message_id, again.deliveries) == (first.message_id, 2)
    queue.close()


async def test_a_deleted_message_never_comes_back(queue: Queue) -> None:
    queue.send(["a"])
    (first,) = await queue.receive(1, wait_s=0, visibility_s=0)
    assert queue.delete(first.receipt)
    assert queue.delete(first.receipt)
    assert await queue.receive(1, wait_s=0) == []
    assert queue.depth() == queue_store.Depth(0, 0, 0)


async def test_a_stale_receipt_is_accepted_without_effect(queue: Queue) -> None:
    queue.send(["a"])
    (stale,) = await queue.receive(1, wait_s=0, visibility_s=0)
    (fresh,) = await queue.receive(1, wait_s=0)
    assert queue.delete(stale.receipt)
    assert queue.depth().in_flight == 1
    assert queue.delete(fresh.receipt)
    assert queue.depth().in_flight == 0


@pytest.mark.parametrize("receipt", ["", "rubbish", "AAAA", "é"])
async def test_what_is_no_receipt_is_refused(queue: Queue, receipt: str) -> None:
    assert not queue.delete(receipt)


async def test_a_receipt_of_another_queue_is_refused(queue: Queue, tmp_path: Path) -> None:
    other = Queue(tmp_path / "o.sqlite", name="o", secret=b"another", visibility_s=60.0)
    other.send(["a"])
    (one,) = await other.receive(1, wait_s=0)
    assert not queue.delete(one.receipt)
    other.close()


async def test_receipts_are_as_long_as_real_ones(queue: Queue) -> None:
    queue.send(["a"])
    (one,) = await queue.receive(1, wait_s=0)
    assert 300 < len(one.receipt) < 500


async def test_a_waiting_receiver_is_woken_by_a_message(queue: Queue) -> None:
    waiting = asyncio.create_task(queue.receive(1, wait_s=20))
    await asyncio.sleep(0)
    queue.send(["a"])
    assert [one.body for one in await asyncio.wait_for(waiting, 15)] == ["a"]


async def test_a_waiting_receiver_learns_that_the_queue_is_gone(queue: Queue) -> None:
    waiting = asyncio.create_task(queue.receive(1, wait_s=20))
    await asyncio.sleep(0)
    queue.close()
    with pytest.raises(QueueGone):
        await asyncio.wait_for(waiting, 15)


async def test_a_delayed_message_is_counted_apart(queue: Queue) -> None:
    queue.send(["a"], delay_s=60)
    assert queue.depth() == queue_store.Depth(0, 0, 1)
    assert await queue.receive(1, wait_s=0) == []


async def test_duplicates_come_although_the_message_is_in_flight_or_deleted(tmp_path: Path) -> None:
    queue = Queue(tmp_path / "d.sqlite", name="d", secret=b"s", visibility_s=60.0, duplicate_rate=1.0)
    queue.send(["a"])
    (one,) = await queue.receive(1, wait_s=0)
    queue.delete(one.receipt)
    (again,) = await queue.receive(1, wait_s=0)
    assert again.message_id == one.message_id
    assert await queue.receive(1, wait_s=0) == []
    queue.close()


async def test_what_was_committed_is_there_after_reopening(queue: Queue, tmp_path: Path) -> None:
    queue.send(["a", "b", "c"])
    first, _second = await queue.receive(2, wait_s=0)
    queue.delete(first.receipt)
    await queue.committed()
    copy = tmp_path / "copy.sqlite"
    for suffix in ("", "-wal"):  # what a killed process leaves behind
        copy.with_name(copy.name + suffix).write_bytes((tmp_path / f"q.sqlite{suffix}").read_bytes())
    reopened = Queue(copy, name="q", secret=b"secret", visibility_s=60.0)
    assert reopened.depth() == queue_store.Depth(1, 1, 0)
    assert [one.body for one in await reopened.receive(10, wait_s=0)] == ["c"]
    reopened.send(["d"])
    assert [one.body for one in await reopened.receive(10, wait_s=0)] == ["d"]
    reopened.close()


async def test_release_gives_back_what_is_in_flight(queue: Queue) -> None:
    queue.send(["a"])
    await queue.receive(1, wait_s=0)
    queue.release()
    assert queue.depth().visible == 1


async def test_old_messages_expire(queue: Queue) -> None:
    queue.send(["a", "b"])
    queue.expire(time.time() - 60)
    assert queue.depth().visible == 2
    queue.expire(time.time() + 60)
    assert queue.depth().visible == 0


async def test_a_queue_deleted_while_others_are_tidied_is_left_alone(queue: Queue) -> None:
    queue.send(["a"])
    queue.close()
    queue.expire(time.time() + 60)
    await queue.checkpoint()


@pytest.mark.parametrize("query", [queue_store.DUE, queue_store.HIDDEN, queue_store.NEXT_DUE])
def test_no_query_scans_or_sorts(tmp_path: Path, query: str) -> None:
    connection = sqlite3.connect(tmp_path / "plan.sqlite")
    connection.executescript(queue_store.SCHEMA)
    rows = connection.execute(f"EXPLAIN QUERY PLAN {query}", (0,) * query.count("?")).fetchall()
    plan = " ".join(row[3] for row in rows)
    connection.close()
    assert "SEARCH messages USING" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan


async def test_a_hundred_thousand_messages_cost_no_more_steps_than_a_hundred(tmp_path: Path) -> None:
    """Counted in SQLite's own virtual machine instructions, which no busy machine can disturb."""
    steps = {}
    for count in (100, 100_000):
        path = tmp_path / f"{count}.sqlite"
        write_messages(path, (f"message {number}" for number in range(count)), progress=lambda _: None)
        queue = Queue(path, name="q", secret=b"s", visibility_s=60.0)
        ticks = [0]

        def tick(ticks: list[int] = ticks) -> int:
            ticks[0] += 1
            return 0

        queue._database._connection.set_progress_handler(tick, 1)
        for _ in range(5):
            for one in await queue.receive(10, wait_s=0):
                queue.delete(one.receipt)
        queue.depth()
        await queue.committed()
        steps[count] = ticks[0]
        queue.close()
    assert steps[100_000] < 1.5 * steps[100]
