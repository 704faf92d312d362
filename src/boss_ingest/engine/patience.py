"""How long to wait for a Boss that does not answer, while a job is worked on: as long as a restart takes."""

from __future__ import annotations

from boss_ingest.boss.client import BossClient
from boss_ingest.engine import events
from boss_ingest.errors import ServiceError

_TELL_FROM_S = 5.0  # a stumble of some seconds is nobody's concern …
_TELL_EVERY_S = 30.0  # … and of a long silence a person hears twice a minute


def go_on_with(job_id: int) -> str:
    """What to do about a job that this client leaves unfinished."""
    return f"nothing is lost: go on with `boss-ingest join --job-id {job_id}`"


def patient(boss: BossClient, job_id: int, *, give_up_s: float, observe: events.Observer) -> BossClient:
    """A client for work that nobody waits beside: it waits out a Boss that is silent, for up to `give_up_s`.

    It takes the Boss for one, since it has answered before: a page of a proxy is something that passes.
    """
    told_s = float("-inf")

    def tell(error: ServiceError, failing_s: float, pause_s: float) -> None:
        nonlocal told_s
        if failing_s < told_s:  # another silence
            told_s = float("-inf")
        if failing_s >= _TELL_FROM_S and failing_s - told_s >= _TELL_EVERY_S:
            told_s = failing_s
            observe(events.BossSilent("the Boss", error, pause_s, failing_s, give_up_s))

    return boss.with_patience(give_up_s=give_up_s, known=True, hint=go_on_with(job_id), tell=tell)
