"""Rounds of uploading and completing: a job that a Boss sends back again and again comes to an end."""

from __future__ import annotations

from boss_ingest.engine.stop import Stop
from boss_ingest.engine.tally import Tally
from boss_ingest.errors import GaveUpError

_FRUITLESS_ROUNDS = 10
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0


class Rounds:
    """Counts the rounds after which the Boss was not content, by how many tasks each had to store here.

    A round is fruitful when it had fewer than all before it: then what is missing becomes less. One without
    any task is followed by a pause, because SQS's counts may be a minute behind.
    """

    def __init__(self, job_id: int, tally: Tally) -> None:
        self._job_id = job_id
        self._tally = tally
        self._stored_before = 0
        self._fewest: int | None = None
        self._fruitless = 0

    async def once_more(self, stop: Stop) -> None:
        """Go on to another round. Raises StopRequestedError, and GaveUpError after ten fruitless in a row."""
        stored = self._tally.stored - self._stored_before
        self._stored_before = self._tally.stored
        if self._fewest is None or stored < self._fewest:
            self._fewest, self._fruitless = stored, 0
        else:
            self._fruitless += 1
        if self._fruitless >= _FRUITLESS_ROUNDS:
            raise self._in_vain(stored)
        if not stored:
            await stop.sleep(min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**self._fruitless))

    def _in_vain(self, stored: int) -> GaveUpError:
        what = f"{stored} tasks that are uploaded already" if stored else "tasks that its queue does not give"
        return GaveUpError(
            f"job {self._job_id}: the Boss has asked {self._fruitless} times in a row for {what}",
            hint="nothing is left to upload here; ask whoever runs the Boss to look at the job, "
            f"and see it with `boss-ingest status --job-id {self._job_id}`",
        )
