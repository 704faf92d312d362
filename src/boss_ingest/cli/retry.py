"""`boss-ingest retry`: go back to the tasks that were set aside, once their sources are mended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from boss_ingest.cli.connection import connection_options
from boss_ingest.cli.going_on import go_on
from boss_ingest.cli.logs import log_options
from boss_ingest.cli.work_options import work_options


@click.command()
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--job-id", "-j", type=int, required=True)
@work_options
@connection_options
@log_options
def retry(config: Path | None, job_id: int, **given: Any) -> None:
    """Go back to the tasks of a job that were set aside, and to no others.

    Tells from the report which they are and why they failed, tries each again, says what became of it, and
    completes the job when nothing is left. The Boss hands a task out again up to three minutes after its
    last try. Other tasks are left to others: `join` works on all.
    """
    go_on(config, job_id, given, only_set_aside=True)
