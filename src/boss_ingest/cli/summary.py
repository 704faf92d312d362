"""What is said when the work on a job has ended here: what was done, what was not, and how to go on."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boss_ingest.cli.running import say
from boss_ingest.cli.words import count, duration, moment, size, task_name
from boss_ingest.errors import ExitCode

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from boss_ingest.engine.life import Outcome
    from boss_ingest.engine.report import Report
    from boss_ingest.engine.report_files import Outstanding
    from boss_ingest.engine.tally import Tally
    from boss_ingest.engine.wanted import Wanted

_NAMED = 10


@dataclass(frozen=True, slots=True)
class Ending:
    """How the work on a job came to its end here; `outcome` is None when an error or a person ended it."""

    job_id: int
    unit: str
    tally: Tally
    wanted: Wanted
    expires: datetime | None
    outcome: Outcome | None
    report: Report
    log_file: Path | None


def summarise(end: Ending) -> None:
    """Say how it went. The last line names the report, if there is anything in it."""
    tally, wanted, report = end.tally, end.wanted, end.report
    _tell_stored(tally, end.unit)
    if wanted.mended or wanted.failed_again:
        failed = f", {count(wanted.failed_again)} failed again" if wanted.failed_again else ""
        say(f"of {count(wanted.total, 'task')} set aside before, {count(wanted.mended)} stored now{failed}")
    if len(tally.set_aside):
        say(f"set aside: {count(len(tally.set_aside), end.unit.removesuffix('s'))}")
        for event in tally.set_aside.first[:_NAMED]:
            say(f"  {task_name(event.key)}, after {count(event.attempts, 'try')}: {event.error.what}")
        if len(tally.set_aside) > _NAMED:
            say(f"  … and {count(len(tally.set_aside) - _NAMED)} more, all in the report")
    if end.outcome is not None and end.outcome.exit_code is ExitCode.SET_ASIDE and len(tally.set_aside):
        _tell_how_to_go_back(tally, end.job_id, reported=not report.lost)
    if end.expires and (end.outcome is None or end.outcome.exit_code is not ExitCode.COMPLETE):
        say(f"the tasks of the job expire {moment(end.expires)}")
    if end.log_file is not None:
        say(f"log: {end.log_file}")
    if report.written:
        say(f"report: {'cannot be written: ' if report.lost else ''}{report.path}")


def tell_outstanding(found: Outstanding, paths: list[Path], unit: str) -> None:
    """Say what was set aside before, and why."""
    told_by = ", ".join(map(str, paths))
    say(f"going back to {count(len(found.keys), unit.removesuffix('s'))} set aside, as told by {told_by}")
    for line in found.some[:_NAMED]:
        say(f"  {task_name(line['key'])}, after {count(_tries(line), 'try')}: {line.get('what', '')}")
    if len(found.keys) > _NAMED:
        say(f"  … and {count(len(found.keys) - _NAMED)} more")
    back_s = found.back_at.timestamp() - time.time() if found.back_at else 0.0
    if found.keys and back_s > 1:
        say(f"the Boss hands them out again within {duration(back_s)}: that long their last leases run")


def _tries(line: dict[str, Any]) -> int:
    tries = line.get("attempts")
    return tries if isinstance(tries, int) else 1


def _tell_stored(tally: Tally, unit: str) -> None:
    objects = "" if unit == "tiles" else f" as {count(tally.objects)} cuboids"
    amount = f"{count(tally.stored, unit.removesuffix('s'))}{objects}, {size(tally.stored_bytes)}"
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
    if tally.objects or tally.stored:
        say("; ".join(parts))


def _tell_how_to_go_back(tally: Tally, job_id: int, *, reported: bool) -> None:
    back_s = tally.set_aside.back_s - time.monotonic()
    when = f", and come back to it within {duration(back_s)}" if back_s > 1 else ""
    command = "retry" if reported else "join"
    say(
        f"they are still in the queue{when}; mend what is wrong, then:\n"
        f"  boss-ingest {command} --job-id {job_id}"
    )
