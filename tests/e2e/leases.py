"""Leases of clients that died, ended at once instead of in three minutes."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from boss_ingest.local.queue_store import QueueGone
from boss_ingest.local.queues import upload_queue

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from boss_ingest.local.boss import LocalBoss

T = TypeVar("T")


def let_leases_end(boss: LocalBoss, job_id: int = 1) -> None:
    """Make every message of the upload queue visible again."""
    queue = boss._state.queues.get(upload_queue(job_id))
    queue._database.write("UPDATE messages SET visible_at = ?", (time.time(),))
    queue._wake()


async def without_the_dead(boss: LocalBoss, going_on: Coroutine[None, None, T]) -> T:
    """Let leases end, and go on; again if need be: the last request of one that died may be given a task yet.

    More and more seldom, or on a slow machine those who go on would never keep their own leases long enough.
    """
    doing, pause_s = asyncio.create_task(going_on), 0.5
    while not doing.done():
        with suppress(QueueGone):
            let_leases_end(boss)
        await asyncio.wait([doing], timeout=pause_s)
        pause_s *= 2
    return await doing
