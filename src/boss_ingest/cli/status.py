"""`boss-ingest status`: how far a job is, as the Boss sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from boss_ingest.cli.connection import connection_options, open_boss, take_connection
from boss_ingest.cli.known_job import known_job
from boss_ingest.cli.running import run_to_exit, say, tell
from boss_ingest.cli.words import moment

if TYPE_CHECKING:
    from boss_ingest.engine.stop import Stop


@click.command()
@click.option("--job-id", "-j", type=int, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
@connection_options
def status(job_id: int, as_json: bool, **options: Any) -> None:
    """Tell the state of a job and how many tasks wait in its queue."""
    connection = take_connection(options)

    async def work(stop: Stop) -> int:
        from boss_ingest.engine.expiry import expiry_of

        there, record = known_job(job_id, connection)
        async with open_boss(there, there.base_url(), say=say) as boss:
            found = await stop.unless(boss.status(job_id))
            expires = await expiry_of(boss, job_id, stop=stop, recorded=record.created if record else "")
        if as_json:
            tell(json.dumps({
                "id": job_id, "state": found.state.name, "total": found.total, "visible": found.visible,
                "expires": expires.isoformat() if expires else None,
            }))  # fmt: skip
        else:
            tell(f"job {job_id}: {found.state.name}")
            tell(f"  {found.visible} of {found.total} tasks wait in its queue, not counting those in work")
            if expires and not found.state.is_final:
                tell(f"  its tasks expire {moment(expires)}")
        return 0

    run_to_exit(work)
