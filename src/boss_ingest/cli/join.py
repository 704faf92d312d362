"""`boss-ingest join`: work on a job that exists, on this machine or on any number of them."""

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
@click.option("--only-failed", is_flag=True, help="Only the tasks that were set aside, as `retry` does.")
@work_options
@connection_options
@log_options
def join(config: Path | None, job_id: int, only_failed: bool, **given: Any) -> None:
    """Go on with a job: after a break, or beside other machines.

    CONFIG is the job file it was made from; the machine that made the job remembers it.
    """
    go_on(config, job_id, given, only_set_aside=only_failed)
