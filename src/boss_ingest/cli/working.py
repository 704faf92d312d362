"""What `run`, `join` and `retry` have in common: working on a job while a person watches."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from boss_ingest.cli.progress import watch
from boss_ingest.cli.running import say, tell
from boss_ingest.cli.summary import Ending, summarise

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from boss_ingest.boss.client import BossClient
    from boss_ingest.config.job_file import JobFile
    from boss_ingest.engine.events import Event
    from boss_ingest.engine.options import Options
    from boss_ingest.engine.stop import Stop
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

    @property
    def unit(self) -> str:
        """What its tasks are."""
        return "tiles" if self.job.ingest_job.ingest_type == "tile" else "chunks"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a job before the work on it begins."""

    report: Path
    expires: datetime | None = None
    set_aside: Iterable[str] = field(default=())  # keys of tasks that earlier runs set aside
    only_set_aside: bool = False


async def work_on(assignment: Assignment, boss: BossClient, job_id: int, stop: Stop, known: Known) -> int:
    """Work on a job until it ends here; tells how it went. Returns the exit code."""
    from boss_ingest.engine.life import ingest
    from boss_ingest.engine.report import Report
    from boss_ingest.engine.tally import Tally
    from boss_ingest.engine.upload import Work
    from boss_ingest.engine.wanted import Wanted

    tally, report = Tally(), Report(known.report, job_id)
    wanted = Wanted(known.set_aside, alone=known.only_set_aside)
    outcome = None
    try:
        async with watch(tally, assignment.progress, unit=assignment.unit) as show:

            def observe(event: Event) -> None:
                if (trouble := report.note(event)) is not None:
                    show(trouble)
                show(event)

            work = Work(
                assignment.job,
                assignment.source,
                assignment.options,
                tally,
                observe,
                stop,
                wanted,
                known.expires,
            )
            outcome = await ingest(work, boss, job_id, ca_bundle=assignment.ca_bundle)
    except asyncio.CancelledError:
        say(f"job {job_id} is not finished: go on with `boss-ingest join --job-id {job_id}`")
        raise
    finally:
        report.close()
        end = Ending(
            job_id, assignment.unit, tally, wanted, known.expires, outcome, report, assignment.log_file
        )
        summarise(end)
    tell_outcome(job_id, outcome.exit_code, outcome.why, progress=assignment.progress)
    return outcome.exit_code


def tell_outcome(job_id: int, exit_code: int, why: str, *, progress: str) -> None:
    """The last line of standard output: how the work on a job ended."""
    if progress == "json":
        tell(json.dumps({"event": "Outcome", "job_id": job_id, "exit_code": exit_code, "why": why}))
    else:
        tell(f"job {job_id}: {why}")
