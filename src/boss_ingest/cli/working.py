"""What `run` and `join` have in common: working on a job while a person watches, and the summary."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from boss_ingest.cli.progress import watch
from boss_ingest.cli.running import say
from boss_ingest.cli.words import count, duration, size

if TYPE_CHECKING:
    from boss_ingest.boss.client import BossClient
    from boss_ingest.config.job_file import JobFile
    from boss_ingest.engine.options import Options
    from boss_ingest.engine.stop import Stop
    from boss_ingest.engine.tally import Tally
    from boss_ingest.plugins.loading import LoadedSource


@dataclass(frozen=True, slots=True)
class Assignment:
    """A job file, its source, and how the user wants the work done and shown."""

    job: JobFile
    source: LoadedSource
    options: Options
    progress: str
    ca_bundle: Path | None
    log_file: Path | None


async def work_on(assignment: Assignment, boss: BossClient, job_id: int, stop: Stop) -> int:
    """Work on a job until it ends here; tells how it went. Returns the exit code."""
    from boss_ingest.engine.life import ingest
    from boss_ingest.engine.tally import Tally
    from boss_ingest.engine.upload import Work

    tally = Tally()
    unit = "tiles" if assignment.job.ingest_job.ingest_type == "tile" else "chunks"
    try:
        async with watch(tally, assignment.progress, unit=unit) as observe:
            work = Work(assignment.job, assignment.source, assignment.options, tally, observe, stop)
            outcome = await ingest(work, boss, job_id, ca_bundle=assignment.ca_bundle)
    finally:
        _summarise(assignment, tally, unit)
    if assignment.progress == "json":
        click.echo(json.dumps({"event": "Outcome", "job_id": job_id, "exit_code": outcome.exit_code,
                               "why": outcome.why}))  # fmt: skip
    else:
        click.echo(f"job {job_id}: {outcome.why}")
    if tally.set_aside:
        say(f"what was set aside is still in the queue: mend it and `boss-ingest join --job-id {job_id}`")
    return outcome.exit_code


def _summarise(assignment: Assignment, tally: Tally, unit: str) -> None:
    amount = f"{count(tally.stored)} {unit}, {count(tally.objects)} objects, {size(tally.stored_bytes)}"
    parts = [f"stored here: {amount} in {duration(tally.elapsed_s)}"]
    if tally.passed_through:
        parts.append(f"{count(tally.passed_through)} of them byte for byte as they were")
    if tally.skipped_outside:
        parts.append(f"{count(tally.skipped_outside)} cuboids outside the extent left alone")
    if tally.substituted:
        parts.append(f"{count(tally.substituted)} made up, as the job file asks")
    if tally.retries:
        parts.append(f"{count(tally.retries)} retries")
    say("; ".join(parts))
    if tally.set_aside:
        say(f"set aside: {count(len(tally.set_aside))} {unit}")
        for event in list(tally.set_aside.values())[:10]:
            say(f"  {event.key}: {event.error.what}")
        if len(tally.set_aside) > 10:
            say(f"  … and {count(len(tally.set_aside) - 10)} more, all in the log")
    if assignment.log_file is not None:
        say(f"log: {assignment.log_file}")
