"""How long a job lives: the Boss's queue keeps a task for 14 days (docs/protocol.md, "Queues").

What is not uploaded by then is gone from the queue without a word, and the Boss would complete the job with
holes.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from boss_ingest.engine.events import Observer, WontFit
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.tally import Tally
from boss_ingest.errors import IngestError, StopRequestedError

if TYPE_CHECKING:
    from boss_ingest.boss.client import BossClient

LIFE = timedelta(days=14)
_SOON_ENOUGH_S = 300.0  # of work, before a forecast is worth anything
_ENOUGH_TASKS = 20


def utc_now() -> datetime:
    """Now, aware."""
    return datetime.now(UTC)


async def expiry_of(boss: BossClient, job_id: int, *, stop: Stop, recorded: str = "") -> datetime | None:
    """When the tasks of a job begin to expire: by what the Boss tells, else by when this machine made it.

    Raises StopRequestedError. Whatever else goes wrong, the work goes on without knowing.
    """
    try:
        jobs = await stop.unless(boss.jobs())
        created = next((job.created_on for job in jobs if job.id == job_id), None)
    except StopRequestedError:
        raise
    except IngestError:
        created = None
    if created is None and recorded:
        try:
            created = datetime.fromisoformat(recorded)
        except ValueError:
            return None
    return created.astimezone(UTC) + LIFE if created else None


class Forecast:
    """Tells once when the work that is left will not fit, at the pace of all clients together."""

    def __init__(
        self,
        expires: datetime | None,
        tally: Tally,
        observe: Observer,
        *,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._expires = expires
        self._tally = tally
        self._observe = observe
        self._now = now
        self._first: tuple[datetime, int] | None = None

    def look(self) -> None:
        """Take the count of what is left, just asked for."""
        left = self._tally.left
        if self._expires is None or left is None:
            return
        now = self._now()
        if self._first is None:
            self._first = now, left
            return
        elapsed_s, done = (now - self._first[0]).total_seconds(), self._first[1] - left
        if elapsed_s < _SOON_ENOUGH_S or done < _ENOUGH_TASKS:
            return
        needed_s, left_s = left * elapsed_s / done, (self._expires - now).total_seconds()
        if needed_s > left_s:
            self._observe(WontFit(needed_s, left_s))
            self._expires = None
