"""How events and numbers are put into words a person reads at a glance."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from boss_ingest.cli.pace import done_by_all
from boss_ingest.engine import events

if TYPE_CHECKING:
    from boss_ingest.cli.pace import Pace
    from boss_ingest.engine.tally import Tally


def size(number_bytes: float) -> str:
    """Bytes in decimal units, three digits: 4.19 MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number_bytes < 999.5 or unit == "TB":
            return f"{number_bytes:.0f} B" if unit == "B" else f"{number_bytes:.3g} {unit}"
        number_bytes /= 1000
    raise AssertionError("unreachable")


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}"


def duration(seconds: float) -> str:
    """Two units at most: 1 h 05 min, 2 min 03 s, 8 s."""
    whole = round(seconds)
    if whole >= 86400:
        return f"{whole // 86400} d {whole % 86400 // 3600} h"
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s"


def _waiting(event: events.Waiting) -> str:
    return f"the Boss asks to wait {duration(event.wait_s)}" + (f": {event.why}" if event.why else "")


_SENTENCES: dict[type, Callable[[Any], str]] = {
    events.Preparing: lambda e: (
        f"the Boss is preparing job {e.job_id} (a real one takes two minutes or more)"
    ),
    events.Uploading: lambda e: f"uploading job {e.job_id}: {count(e.total)} tasks in all",
    events.Drained: lambda _: "everything is uploaded; asking the Boss to complete the job",
    events.WaitingForOthers: lambda e: (
        f"waiting for {count(e.in_flight)} tasks that other clients hold, or that come back to the queue"
    ),
    events.Waiting: _waiting,
    events.Verifying: lambda _: "the Boss is verifying the job",
    events.BackToUploading: lambda e: f"back to uploading: {e.why}",
    events.Completed: lambda e: f"the Boss says job {e.job_id} is complete",
    events.SetAside: lambda e: f"set aside after {_tries(e.attempts)}: {e.key}\n  {e.error}",
    events.Substituted: lambda e: f"made up, as the job file asks: {e.key}: {e.what}",
    events.Stopping: lambda e: f"finishing {count(e.in_flight)} tasks in flight",
}


def _tries(number: int) -> str:
    return "1 try" if number == 1 else f"{number} tries"


def sentence(event: events.Event) -> str | None:
    """What to tell a person about an event; None for what only the counts show."""
    tell = _SENTENCES.get(type(event))
    return tell(event) if tell else None


def counts(tally: Tally, pace: Pace, unit: str) -> list[str]:
    """Pace and counts, each in a few words; what is zero and of no interest is left out."""
    parts = [f"{pace.tasks_per_s:.3g} {unit}/s", f"{size(pace.bytes_per_s)}/s"]
    if pace.left_s is not None:
        parts.append(f"{duration(pace.left_s)} left")
    parts.append(f"{tally.in_work} in flight")
    if done_by_all(tally) > tally.stored:
        parts.append(f"{count(tally.stored)} done here")
    if tally.retries:
        parts.append(f"{count(tally.retries)} retries")
    if tally.set_aside:
        parts.append(f"{count(len(tally.set_aside))} set aside")
    return parts


def fields(event: events.Event) -> dict[str, object]:
    """An event as a flat object for programs: its kind, and each of its fields as a plain value."""
    values: dict[str, object] = {"event": type(event).__name__}
    for name in type(event).__dataclass_fields__:
        value = getattr(event, name)
        values[name] = value if isinstance(value, (int, float, str)) else str(value)
    return values
