"""`boss-ingest complete`: finish a job whose data is all uploaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from boss_ingest.cli.connection import connection_options, open_boss, take_connection
from boss_ingest.cli.known_job import known_job
from boss_ingest.cli.progress import watch
from boss_ingest.cli.running import run_to_exit, say
from boss_ingest.cli.work_options import verify_timeout_option
from boss_ingest.cli.working import tell_outcome

if TYPE_CHECKING:
    from boss_ingest.engine.stop import Stop


@click.command()
@click.option("--job-id", "-j", type=int, required=True)
@click.option(
    "--progress",
    type=click.Choice(("lines", "json", "none")),
    default="lines",
    show_default=True,
    help="What happens in plain lines, in JSON lines on standard output, or not at all.",
)
@verify_timeout_option
@connection_options
def complete(job_id: int, progress: str, verify_timeout: float | None, **options: Any) -> None:
    """Ask the Boss to verify a job and finish it, and wait until it has."""
    connection = take_connection(options)

    async def work(stop: Stop) -> int:
        there, _ = known_job(job_id, connection)
        from boss_ingest.engine.finish import finish
        from boss_ingest.engine.options import Options
        from boss_ingest.engine.patience import patient
        from boss_ingest.engine.tally import Tally
        from boss_ingest.errors import ExitCode

        async with (
            open_boss(there, there.base_url(), say=say) as boss,
            watch(Tally(), progress, unit="tasks") as observe,
        ):
            defaults = Options()
            done = await finish(
                patient(boss, job_id, give_up_s=defaults.give_up_s, observe=observe),
                job_id,
                stop=stop,
                observe=observe,
                verify_timeout_s=verify_timeout or defaults.verify_timeout_s,
            )
        if done:
            tell_outcome(job_id, ExitCode.COMPLETE, "the job is complete", progress=progress)
            return ExitCode.COMPLETE
        why = f"it still has tasks in its queue: `boss-ingest join --job-id {job_id}` uploads them"
        tell_outcome(job_id, ExitCode.SET_ASIDE, why, progress=progress)
        return ExitCode.SET_ASIDE

    run_to_exit(work)
