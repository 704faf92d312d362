"""Leases of clients that died, ended at once instead of in three minutes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from boss_ingest.local.queues import upload_queue

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss


def let_leases_end(boss: LocalBoss, job_id: int = 1) -> None:
    """Make every message of the upload queue visible again."""
    queue = boss._state.queues.get(upload_queue(job_id))
    queue._database.write("UPDATE messages SET visible_at = ?", (time.time(),))
    queue._wake()
