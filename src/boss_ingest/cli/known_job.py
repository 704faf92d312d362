"""Jobs this machine made: which Boss they are on, and which job file they came from."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from boss_ingest.cli.connection import Connection
from boss_ingest.errors import UsageError

if TYPE_CHECKING:
    from boss_ingest.engine.job_record import JobRecord


def known_job(
    job_id: int, connection: Connection, *, config: Path | None = None
) -> tuple[Connection, JobRecord | None]:
    """The connection to the Boss that a job is on, and what this machine remembers of the job.

    What the user names (--host, --local, the job file) narrows down which job is meant. Raises UsageError
    when it could still be one of several.
    """
    from boss_ingest.engine.job_record import recall

    records = [
        record
        for record in recall(
            job_id,
            os.environ,
            base_url=connection.base_url() if connection.host else "",
            local=str(connection.local.resolve()) if connection.local else "",
        )
        if (not record.local or Path(record.local).exists())
        and (config is None or record.config == str(config.resolve()))
    ]
    if not records:
        return connection, None
    places = {
        f"--local {record.local}" if record.local else f"--host {record.base_url}" for record in records
    }
    if len(places) > 1:
        raise UsageError(
            f"this machine made a job {job_id} on {len(places)} Bosses",
            hint=f"choose one: {', '.join(sorted(places))}",
        )
    record = records[0]
    if record.local:
        return replace(connection, local=Path(record.local)), record
    return replace(connection, host=record.base_url), record
