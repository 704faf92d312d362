"""`boss-ingest complete`: finish a job whose data is all uploaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from boss_ingest.cli.connection import connection_options, open_boss, take_connection
from boss_ingest.cli.known_job import base_url_of
from boss_ingest.cli.progress import PROGRESS, watch
from boss_ingest.cli.running import run_to_exit, say

if TYPE_CHECKING:
    from boss_ingest.engine.stop import Stop


@click.command()
@click.option("--job-id", "-j", type=int, required=True)
@click.option("--progress", type=click.Choice(PROGRESS), default="auto", show_default=True)
@connection_options
def complete(job_id: int, progress: str, **options: Any) -> None:
    """Ask the Boss to verify a job and finish it, and wait until it has."""
    connection = take_connection(options)

    async def work(stop: Stop) -> int:
        from boss_ingest.engine.finish import finish
        from boss_ingest.engine.options import Options
        from boss_ingest.engine.tally import Tally
        from boss_ingest.errors import ExitCode

        async with (
            open_boss(connection, base_url_of(job_id, connection), say=say) as boss,
            watch(Tally(), progress, unit="tasks") as observe,
        ):
            done = await finish(
                boss, job_id, stop=stop, observe=observe, verify_timeout_s=Options().verify_timeout_s
            )
        if done:
            click.echo(f"job {job_id} is complete")
            return ExitCode.COMPLETE
        say(f"job {job_id} still has tasks in its queue: `boss-ingest join --job-id {job_id}` uploads them")
        return ExitCode.SET_ASIDE

    run_to_exit(work)
