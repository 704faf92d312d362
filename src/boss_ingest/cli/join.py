"""`boss-ingest join`: work on a job that exists, on this machine or on any number of them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from boss_ingest.cli.connection import connection_options, open_boss, take_connection
from boss_ingest.cli.known_job import known_job
from boss_ingest.cli.logs import log_options, start_log
from boss_ingest.cli.running import run_to_exit, say
from boss_ingest.cli.work_options import take_options, work_options
from boss_ingest.cli.working import Assignment, work_on
from boss_ingest.errors import UsageError

if TYPE_CHECKING:
    from boss_ingest.engine.job_record import JobRecord
    from boss_ingest.engine.stop import Stop


@click.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--job-id", "-j", type=int, required=True)
@work_options
@connection_options
@log_options
def join(config: Path | None, job_id: int, **given: Any) -> None:
    """Go on with a job: after a break, or beside other machines.

    CONFIG is the job file it was made from; the machine that made the job remembers it.
    """
    connection = take_connection(given)

    async def work(stop: Stop) -> int:
        from boss_ingest.config.loading import load_job_file
        from boss_ingest.plugins.loading import load_source

        log_file = start_log(given["log_file"], given["log_level"])
        there, record = known_job(job_id, connection, config=config)
        job = load_job_file(config or _recalled(job_id, record))
        source = load_source(job, builtin_only=given.pop("builtin_plugins_only"))
        assignment = Assignment(
            job, source, take_options(given), given["progress"], there.ca_bundle, log_file
        )
        async with open_boss(there, there.base_url(job), say=say) as boss:
            return await work_on(assignment, boss, job_id, stop)

    run_to_exit(work)


def _recalled(job_id: int, record: JobRecord | None) -> Path:
    """The job file this machine made the job from; goes to the directory it was made in."""
    if record is None:
        raise UsageError(
            f"this machine does not know which job file job {job_id} was made from",
            hint=f"name it: boss-ingest join CONFIG --job-id {job_id}",
        )
    say(f"job file: {record.config}")
    if Path.cwd() != Path(record.directory):
        try:
            os.chdir(record.directory)
        except OSError as error:
            raise UsageError(
                f"job {job_id} was made in {record.directory}, which cannot be gone to: {error.strerror}",
                hint="its paths may start there; where they don't, name the job file: "
                f"boss-ingest join {record.config} --job-id {job_id}",
            ) from error
        say(f"going on in {record.directory}, where the job was made")
    return Path(record.config)
