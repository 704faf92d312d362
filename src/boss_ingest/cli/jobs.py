"""`boss-ingest jobs`: the jobs the Boss knows of ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from boss_ingest.cli.connection import connection_options, open_boss, take_connection
from boss_ingest.cli.running import run_to_exit, say, tell

if TYPE_CHECKING:
    from datetime import datetime

    from boss_ingest.engine.stop import Stop


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for programs.")
@connection_options
def jobs(as_json: bool, **options: Any) -> None:
    """List your jobs on the Boss, cancelled ones left out."""
    connection = take_connection(options)

    async def work(stop: Stop) -> int:
        async with open_boss(connection, connection.base_url(), say=say) as boss:
            found = await stop.unless(boss.jobs())
        for job in found:
            channel = f"{job.collection}/{job.experiment}/{job.channel}"
            if as_json:
                tell(json.dumps({
                    "id": job.id, "state": job.state.name, "type": job.ingest_type, "channel": channel,
                    "created": _iso(job.created_on), "completed": _iso(job.completed_on),
                }))  # fmt: skip
            else:
                created = f"{job.created_on:%Y-%m-%d %H:%M}" if job.created_on else ""
                tell(f"{job.id:>8}  {job.state.name:<14}  {job.ingest_type:<10}  {created:<16}  {channel}")
        if not found and not as_json:
            tell("no jobs")
        return 0

    run_to_exit(work)


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
