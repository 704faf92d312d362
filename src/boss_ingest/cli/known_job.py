"""Jobs this machine made: which Boss they are on, and which job file they came from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from boss_ingest.cli.connection import Connection
from boss_ingest.errors import UsageError

if TYPE_CHECKING:
    from boss_ingest.engine.job_record import JobRecord


def records_of(job_id: int, connection: Connection) -> list[JobRecord]:
    """What this machine remembers of a job, on the Boss the user names or on any."""
    from boss_ingest.engine.job_record import home_dir, recall

    return recall(
        job_id,
        home_dir(os.environ),
        base_url=connection.base_url() if connection.host else "",
        local=str(connection.local.resolve()) if connection.local else "",
    )


def base_url_of(job_id: int, connection: Connection) -> str:
    """The Boss that a job without a job file is on. Raises UsageError when that could be several."""
    records = [record for record in records_of(job_id, connection) if connection.local or not record.local]
    urls = sorted({record.base_url for record in records})
    if len(urls) > 1 and not connection.local:
        raise UsageError(
            f"this machine made a job {job_id} on {len(urls)} Bosses",
            hint=f"choose with --host: {', '.join(urls)}",
        )
    return connection.base_url(remembered=urls[0] if urls else "")
