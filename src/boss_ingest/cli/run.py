"""`boss-ingest run`: from a job file to a complete job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from boss_ingest.cli.connection import Connection, connection_options, open_boss, take_connection
from boss_ingest.cli.going_on import report_files
from boss_ingest.cli.logs import log_options, start_log
from boss_ingest.cli.plan_view import plan_text
from boss_ingest.cli.running import ask, run_to_exit, say
from boss_ingest.cli.work_options import take_options, work_options
from boss_ingest.cli.working import Assignment, Known, work_on

if TYPE_CHECKING:
    from boss_ingest.boss.client import BossClient
    from boss_ingest.engine.stop import Stop


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--yes", "--force", "-f", is_flag=True, help="Do not ask before the job is made.")
@click.option("--dry-run", is_flag=True, help="Show what would happen, try the source, and stop.")
@work_options
@connection_options
@log_options
def run(config: Path, yes: bool, dry_run: bool, **given: Any) -> None:
    """Ingest the volume that the job file CONFIG describes.

    Checks the file, the channel and the source, shows what will happen and asks; then makes the job,
    uploads everything, and waits until the Boss says that it is complete.
    """
    connection = take_connection(given)

    async def work(stop: Stop) -> int:
        from boss_ingest.config.loading import load_job_file
        from boss_ingest.engine.creating import make_channel
        from boss_ingest.engine.plan import make_plan
        from boss_ingest.errors import ExitCode
        from boss_ingest.plugins.loading import load_source

        assignment_log = start_log(given["log_file"], given["log_level"])
        job = load_job_file(config)
        source = load_source(job, builtin_only=given.pop("builtin_plugins_only"))
        assignment = Assignment(
            job, source, take_options(given), given["progress"], connection.ca_bundle, assignment_log
        )
        report = given.pop("report")
        async with open_boss(connection, connection.base_url(job), say=say, on_paper=dry_run) as boss:
            if connection.local is not None:
                await stop.unless(make_channel(job, source, boss))
            plan = await stop.unless(make_plan(job, source, boss, assignment.options))
            say(plan_text(plan, boss=_name_of(boss, connection)))
            if dry_run:
                return plan.rehearsal.exit_code if plan.rehearsal else ExitCode.COMPLETE
            if not yes:
                question = "Start?" if plan.rehearsal is None else "Start all the same?"
                ask(question, default=plan.rehearsal is None)
            job_id = await _create(assignment, boss, connection, stop)
            known = _known(job_id, connection, connection.base_url(job), report)
            return await work_on(assignment, boss, job_id, stop, known)

    run_to_exit(work)


def _name_of(boss: BossClient, connection: Connection) -> str:
    if connection.local is not None:
        return f"the local Boss in {connection.local}"
    return urlsplit(boss.base_url).netloc


async def _create(assignment: Assignment, boss: BossClient, connection: Connection, stop: Stop) -> int:
    from boss_ingest.engine.creating import create_job

    job_id = await create_job(
        assignment.job,
        boss,
        stop=stop,
        env=os.environ,
        local=str(connection.local.resolve()) if connection.local else "",
    )
    say(f"job {job_id} is created")
    return job_id


def _known(job_id: int, connection: Connection, base_url: str, report: Path | None) -> Known:
    """What is known of a job that was just made."""
    from boss_ingest.engine.expiry import LIFE, utc_now

    files = report_files(connection, base_url, named=report)
    try:
        files.put_away(job_id)
    except OSError as error:
        say(f"warning: an old report of another job {job_id} could not be put away: {error}")
    return Known(files.own(job_id), utc_now() + LIFE)
