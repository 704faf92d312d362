"""The ledger remembers of messages what is still needed, and no more."""

from __future__ import annotations

import gc
import tracemalloc
from itertools import count
from typing import TYPE_CHECKING

import pytest

from boss_ingest.engine.ledger import Ledger
from boss_ingest.engine.options import Options
from boss_ingest.errors import SourceError, TransientError
from tests.doubles.upload_rig import TileRig
from tests.doubles.warped_time import in_warped_time

if TYPE_CHECKING:
    from collections.abc import Callable

ENOUGH = 75_000  # three times as many messages as it remembers


def test_tries_are_counted_by_their_kind_until_the_message_is_done() -> None:
    ledger = Ledger()
    assert [ledger.failed("m"), ledger.failed("m"), ledger.let_go("m"), ledger.failed("n")] == [1, 2, 1, 1]
    ledger.done("m")
    assert ledger.is_done("m")
    assert [ledger.failed("m"), ledger.let_go("m")] == [1, 1]


def tried_and_set_aside(ledger: Ledger, message_id: str) -> None:
    ledger.failed(message_id)
    ledger.set_aside(message_id)


def tried_and_done(ledger: Ledger, message_id: str) -> None:
    ledger.failed(message_id)
    ledger.done(message_id)


@pytest.mark.parametrize("what", [tried_and_set_aside, tried_and_done, Ledger.failed, Ledger.let_go])
def test_memory_does_not_grow_with_messages_whatever_becomes_of_them(
    what: Callable[[Ledger, str], object],
) -> None:
    """The last two: another client finishes them, and they never come here again."""
    ledger, numbers = Ledger(), count()
    taken_bytes = []
    tracemalloc.start()
    try:
        for _ in range(2):
            for _ in range(ENOUGH):
                what(ledger, f"message {next(numbers):08}")
            gc.collect()
            taken_bytes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert taken_bytes[1] - taken_bytes[0] < 100_000


@in_warped_time
async def test_the_tries_of_a_task_that_is_set_aside_are_forgotten() -> None:
    rig = TileRig(options=Options(memory_bytes=1, workers=1, give_up_s=1e6))
    rig.trouble.add("read", lambda: SourceError("truncated"), z=2, times=None)
    rig.trouble.add("put", lambda: TransientError("reset"), z=3, times=None)
    await rig.run()
    assert rig.set_aside == {2, 3}
    for message_id in rig.tally.set_aside.message_ids:
        assert (rig.ledger.failed(message_id), rig.ledger.let_go(message_id)) == (1, 1)
