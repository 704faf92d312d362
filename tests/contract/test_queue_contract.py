"""What every queue does, whoever implements it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from boss_ingest.aws.queue import Lease
from boss_ingest.errors import QueueGoneError, RefusedError
from tests.contract.moto_server import running_moto
from tests.contract.queues import QUEUES, Queues

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    with running_moto() as url:
        yield url


@pytest.fixture(params=QUEUES)
async def queues(request: pytest.FixtureRequest, moto_url: str, tmp_path: Path) -> AsyncIterator[Queues]:
    async with QUEUES[request.param](moto_url, tmp_path) as opened:
        yield opened


async def lease_all(queues: Queues, count: int, *, lease_s: float = 60) -> list[Lease]:
    leases: list[Lease] = []
    while len(leases) < count:
        got = await queues.upload.lease(min(10, count - len(leases)), wait_s=20, lease_s=lease_s)
        assert got, f"the queue is empty after {len(leases)} of {count}"
        leases += got
    return leases


async def test_a_message_is_leased_with_its_body_and_gone_once_acknowledged(queues: Queues) -> None:
    await queues.fill(["task"])
    (lease,) = await queues.upload.lease(10, wait_s=20, lease_s=60)
    assert lease.body == "task"
    assert lease.deliveries == 1
    await queues.upload.acknowledge(lease)
    assert (await queues.upload.depth()).total == 0


async def test_the_deadline_counts_from_before_the_request(queues: Queues) -> None:
    await queues.fill(["task"])
    before_s = asyncio.get_running_loop().time()
    (lease,) = await queues.upload.lease(1, wait_s=0, lease_s=30.9)
    after_s = asyncio.get_running_loop().time()
    assert before_s + 30 <= lease.deadline_s <= after_s + 30


async def test_an_unacknowledged_message_comes_back_with_its_name_and_a_new_receipt(queues: Queues) -> None:
    await queues.fill(["task"])
    (first,) = await queues.upload.lease(10, wait_s=20, lease_s=1)
    (second,) = await queues.upload.lease(10, wait_s=20, lease_s=60)
    assert (second.message_id, second.body, second.deliveries) == (first.message_id, "task", 2)
    assert second.receipt != first.receipt


async def test_a_leased_message_is_not_given_to_another(queues: Queues) -> None:
    await queues.fill(["task"])
    assert len(await queues.upload.lease(10, wait_s=20, lease_s=60)) == 1
    assert await queues.upload.lease(10, wait_s=0, lease_s=60) == []


async def test_an_empty_long_poll_is_an_empty_list(queues: Queues) -> None:
    assert await queues.upload.lease(10, wait_s=1, lease_s=60) == []


async def test_a_long_poll_returns_as_soon_as_there_is_a_message(queues: Queues) -> None:
    began_s = asyncio.get_running_loop().time()
    async with asyncio.TaskGroup() as group:
        polling = group.create_task(queues.upload.lease(10, wait_s=20, lease_s=60))
        await asyncio.sleep(0)
        await queues.fill(["late"])
    assert [lease.body for lease in polling.result()] == ["late"]
    assert asyncio.get_running_loop().time() - began_s < 20


async def test_many_at_once_are_all_acknowledged(queues: Queues) -> None:
    await queues.fill([f"task {number}" for number in range(23)])
    leases = await lease_all(queues, 23)
    await asyncio.gather(*map(queues.upload.acknowledge, leases))
    assert (await queues.upload.depth()).total == 0


async def test_acknowledging_with_a_stale_receipt_does_not_harm(queues: Queues) -> None:
    """Real SQS either ignores it, deletes the message, or refuses; the new receipt works in every case."""
    await queues.fill(["task", "other"])
    (stale,) = await queues.upload.lease(1, wait_s=20, lease_s=1)
    fresh = await lease_all(queues, 2)
    with suppress(RefusedError):
        await queues.upload.acknowledge(stale)
    await asyncio.gather(*map(queues.upload.acknowledge, fresh))
    assert (await queues.upload.depth()).total == 0


async def test_acknowledging_twice_does_not_harm(queues: Queues) -> None:
    await queues.fill(["task"])
    (lease,) = await lease_all(queues, 1)
    await queues.upload.acknowledge(lease)
    await queues.upload.acknowledge(lease)
    assert (await queues.upload.depth()).total == 0


async def test_depth_tells_waiting_from_leased(queues: Queues) -> None:
    await queues.fill(["a", "b", "c"])
    await lease_all(queues, 2)
    depth = await queues.upload.depth()
    assert (depth.visible, depth.in_flight, depth.delayed, depth.total) == (1, 2, 0, 3)


@pytest.mark.parametrize("body", ["Zürich 脳 🧠", '{"a":"<&>\\"\\n"}', "x" * 200_000])
async def test_bodies_pass_unchanged(queues: Queues, body: str) -> None:
    await queues.fill([body])
    (lease,) = await lease_all(queues, 1)
    assert lease.body == body
    await queues.index.send(body)
    assert await queues.sent() == [body]


async def test_many_messages_sent_at_once_all_arrive(queues: Queues) -> None:
    bodies = [f"tile {number} " + "x" * 60_000 for number in range(23)]
    await asyncio.gather(*map(queues.index.send, bodies))
    assert sorted(await queues.sent()) == sorted(bodies)


async def test_a_queue_that_is_gone_says_so(queues: Queues) -> None:
    await queues.fill(["task"])
    (lease,) = await lease_all(queues, 1)
    await queues.drop()
    with pytest.raises(QueueGoneError):
        await queues.upload.lease(1, wait_s=0, lease_s=60)
    with pytest.raises(QueueGoneError):
        await queues.upload.acknowledge(lease)
    with pytest.raises(QueueGoneError):
        await queues.upload.depth()
    with pytest.raises(QueueGoneError):
        await queues.index.send("tile")


@pytest.mark.parametrize(
    ("most", "wait_s", "lease_s"),
    [(0, 0, 60), (11, 0, 60), (1, -1, 60), (1, 21, 60), (1, 0, 0.9), (1, 0, 180)],
)
async def test_what_no_queue_may_grant_is_a_mistake(
    queues: Queues, most: int, wait_s: float, lease_s: float
) -> None:
    with pytest.raises(ValueError, match="must be"):
        await queues.upload.lease(most, wait_s=wait_s, lease_s=lease_s)
