"""What `run` and `join` have in common: working on a job while a person watches, and the summary."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from boss_ingest.cli.progress import watch
from boss_ingest.cli.running import say, tell
from boss_ingest.cli.words import count, duration, size, task_name

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
    from boss_ingest.errors import ExitCode

    tally = Tally()
    unit = "tiles" if assignment.job.ingest_job.ingest_type == "tile" else "chunks"
    try:
        async with watch(tally, assignment.progress, unit=unit) as observe:
            work = Work(assignment.job, assignment.source, assignment.options, tally, observe, stop)
            outcome = await ingest(work, boss, job_id, ca_bundle=assignment.ca_bundle)
    except asyncio.CancelledError:
        say(f"job {job_id} is not finished: go on with `boss-ingest join --job-id {job_id}`")
        raise
    finally:
        _summarise(assignment, tally, unit)
    tell_outcome(job_id, outcome.exit_code, outcome.why, progress=assignment.progress)
    if outcome.exit_code is ExitCode.SET_ASIDE:
        say(f"what was set aside is still in the queue: mend it and `boss-ingest join --job-id {job_id}`")
    return outcome.exit_code


def tell_outcome(job_id: int, exit_code: int, why: str, *, progress: str) -> None:
    """The last line of standard output: how the work on a job ended."""
    if progress == "json":
        tell(json.dumps({"event": "Outcome", "job_id": job_id, "exit_code": exit_code, "why": why}))
    else:
        tell(f"job {job_id}: {why}")


def _summarise(assignment: Assignment, tally: Tally, unit: str) -> None:
    objects = "" if unit == "tiles" else f" as {count(tally.objects)} cuboids"
    amount = f"{count(tally.stored)} {unit}{objects}, {size(tally.stored_bytes)}"
    asides = [
        (tally.passed_through, f"{unit} byte for byte as they were"),
        (tally.skipped_outside, "cuboids outside the extent left alone"),
        (tally.substituted, "made up, as the job file asks"),
        (tally.left_out, "left out, as the job file asks"),
        (tally.converted, f"{unit} with values converted, as the job file asks"),
        (tally.retries, "retries"),
    ]
    parts = [f"stored here: {amount} in {duration(tally.elapsed_s)}"]
    parts += [f"{count(number)} {words}" for number, words in asides if number]
    if tally.objects:
        say("; ".join(parts))
    if tally.set_aside:
        say(f"set aside: {count(len(tally.set_aside))} {unit}")
        for event in tally.set_aside.first[:10]:
            say(f"  {task_name(event.key)}: {event.error.what}")
        if len(tally.set_aside) > 10:
            say(f"  … and {count(len(tally.set_aside) - 10)} more, all in the log")
    if assignment.log_file is not None:
        say(f"log: {assignment.log_file}")
