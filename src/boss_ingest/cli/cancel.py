"""`boss-ingest cancel`: end a job and throw away what is left of its queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from boss_ingest.cli.connection import connection_options, open_boss, take_connection
from boss_ingest.cli.known_job import known_job
from boss_ingest.cli.running import ask, run_to_exit, say, tell

if TYPE_CHECKING:
    from boss_ingest.engine.stop import Stop


@click.command()
@click.option("--job-id", "-j", type=int, required=True)
@click.option("--yes", "--force", "-f", is_flag=True, help="Do not ask.")
@connection_options
def cancel(job_id: int, yes: bool, **options: Any) -> None:
    """Cancel a job. Data already ingested stays; what is not uploaded never will be."""
    connection = take_connection(options)

    async def work(stop: Stop) -> int:
        there, _ = known_job(job_id, connection)
        async with open_boss(there, there.base_url(), say=say) as boss:
            status = await stop.unless(boss.status(job_id))
            if not yes:
                left = (
                    f"{status.visible} of {status.total} tasks wait in its queue, not counting those in work"
                )
                ask(f"Job {job_id} is {status.state.name}; {left}. Cancel it?", default=False)
            await stop.unless(boss.cancel(job_id))
        tell(f"job {job_id} is cancelled")
        return 0

    run_to_exit(work)
