"""Going on with a job that exists: all of it, or only what was set aside."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boss_ingest.cli.connection import Connection, open_boss, take_connection
from boss_ingest.cli.known_job import known_job
from boss_ingest.cli.logs import start_log
from boss_ingest.cli.running import run_to_exit, say
from boss_ingest.cli.summary import tell_outstanding
from boss_ingest.cli.work_options import take_options
from boss_ingest.cli.working import Assignment, Known, work_on
from boss_ingest.errors import UsageError

if TYPE_CHECKING:
    from boss_ingest.engine.job_record import JobRecord
    from boss_ingest.engine.report_files import Outstanding, ReportFiles
    from boss_ingest.engine.stop import Stop


def go_on(config: Path | None, job_id: int, given: dict[str, Any], *, only_set_aside: bool) -> None:
    """Work on a job to its end here, and leave the process with the exit code."""
    connection = take_connection(given).absolute()  # before the directory is changed

    async def work(stop: Stop) -> int:
        from boss_ingest.config.loading import load_job_file
        from boss_ingest.engine.expiry import expiry_of
        from boss_ingest.plugins.loading import load_source

        report = given.pop("report")
        report = report.absolute() if report else None  # before the directory is changed
        log_file = start_log(given["log_file"], given["log_level"])
        there, record = known_job(job_id, connection, config=config)
        job = load_job_file(config or _recalled(job_id, record))
        if record is not None and not record.local and connection.host is None:
            _tell_of_other_host(record.base_url, job.backend.base_url)
        source = load_source(job, builtin_only=given.pop("builtin_plugins_only"))
        for path in source.files:
            if not source.builtin:
                say(f"code from {path}")
        assignment = Assignment(
            job, source, take_options(given), given["progress"], there.ca_bundle, log_file
        )
        base_url = there.base_url(job)
        files = report_files(there, base_url, named=report)
        found = await asyncio.to_thread(_set_aside_before, files, job_id, needed=only_set_aside)
        if only_set_aside:
            tell_outstanding(found, files.every(job_id), assignment.unit)
        async with open_boss(there, base_url, say=say) as boss:
            recorded = record.created if record else ""
            expires = await expiry_of(boss, job_id, stop=stop, recorded=recorded)
            known = Known(files.own(job_id), expires, found.keys, only_set_aside)
            return await work_on(assignment, boss, job_id, stop, known)

    run_to_exit(work)


def report_files(there: Connection, base_url: str, *, named: Path | None) -> ReportFiles:
    """Where the reports of jobs on this Boss are."""
    from boss_ingest.engine.job_record import home_dir
    from boss_ingest.engine.report_files import ReportFiles

    try:
        folder = home_dir(os.environ) / "reports"
    except OSError:
        folder = Path.cwd()  # the log has said why; a report is made only when there is something to report
    place = str(there.local.resolve()) if there.local else base_url.partition("://")[2]
    return ReportFiles(folder, place, named)


def _set_aside_before(files: ReportFiles, job_id: int, *, needed: bool) -> Outstanding:
    """What the reports say is still set aside; raises UsageError when they are `needed` and not there."""
    from boss_ingest.engine.report_files import Outstanding, outstanding

    why = f"this machine has no report of job {job_id}: looked for {files.own(job_id)}"
    try:
        paths = files.every(job_id)
        if paths or not needed:
            return outstanding(paths, job_id)
    except OSError as error:
        why = f"the report of job {job_id} cannot be read: {error}"
        if not needed:
            say(f"warning: {why}")
            return Outstanding()
    raise UsageError(
        why, hint=f"name it with --report, or work on all that is left: boss-ingest join --job-id {job_id}"
    )


def _tell_of_other_host(made_on: str, named: str) -> None:
    if made_on != named:
        say(
            f"this machine made the job on {made_on} and goes there, though the job file names {named}; "
            f"--host {named} would go to that one"
        )


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
