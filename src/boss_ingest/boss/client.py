"""The client of the Boss service: one object for all that we ask of it."""

from __future__ import annotations

from boss_ingest.boss.job_calls import JobCalls
from boss_ingest.boss.resource_calls import ResourceCalls


class BossClient(JobCalls, ResourceCalls):
    """A Boss, spoken to over HTTPS with the user's token. An async context manager.

        async with BossClient(job.backend.base_url, token.secret) as boss:
            joined = await boss.join(1234)

    What can be sent twice is retried with full-jitter backoff (0.2 s to 20 s) for `give_up_s`: seconds, for a
    person who waits, more `with_patience`. What cannot, is not. The token goes to this host alone: redirects
    are not followed.
    """
