"""How events and numbers are put into words a person reads at a glance."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from boss_ingest.boss.keys import TileKey, task_key
from boss_ingest.cli.pace import done_by_all
from boss_ingest.engine import events

if TYPE_CHECKING:
    from boss_ingest.cli.pace import Pace
    from boss_ingest.engine.tally import Tally


def size(number_bytes: float) -> str:
    """Bytes in decimal units, three digits: 4.19 MB."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number_bytes < 999.5 or unit == "TB":
            return f"{number_bytes:.0f} B" if unit == "B" else f"{three_digits(number_bytes)} {unit}"
        number_bytes /= 1000
    raise AssertionError("unreachable")


def three_digits(number: float) -> str:
    """A number with three digits, or all of those before its point."""
    return f"{number:.3g}" if number < 999.5 else f"{number:,.0f}"


def count(number: int, noun: str = "") -> str:
    """A whole number with its thousands apart; with a noun, in its singular or plural."""
    if not noun:
        return f"{number:,}"
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun.removesuffix('y')}ies" if noun.endswith("y") else f"{number:,} {noun}s"


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


def moment(when: datetime) -> str:
    """A point in time, and how far away it is."""
    left_s = (when - datetime.now(UTC)).total_seconds()
    away = f"in {duration(left_s)}" if left_s > 0 else f"{duration(-left_s)} ago"
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {away}"


def task_name(key: str) -> str:
    """A task by its place in the volume, as its key tells it; else the key itself."""
    index = task_key(key)
    if index is None:
        return key
    noun = "tile" if isinstance(index, TileKey) else "chunk"
    sample = f" t={index.t}" if index.t else ""
    return f"{noun} z={index.z} y={index.y} x={index.x}{sample}"


def _waiting(event: events.Waiting) -> str:
    return f"the Boss asks to wait {duration(event.wait_s)}" + (f": {event.why}" if event.why else "")


def _silent(event: events.BossSilent) -> str:
    left = duration(event.give_up_s - event.failing_s)
    return (
        f"no usable answer from the Boss for {duration(event.failing_s)} ({event.error.what}); "
        f"asking again for up to {left}"
    )


_SENTENCES: dict[type, Callable[[Any], str]] = {
    events.Preparing: lambda e: (
        f"the Boss is filling the queue of job {e.job_id}; that can take some minutes"
    ),
    events.Uploading: lambda e: f"uploading job {e.job_id}: {count(e.total, 'task')} in all",
    events.Drained: lambda _: "everything is uploaded; asking the Boss to complete the job",
    events.WaitingForOthers: lambda e: (
        f"waiting for {count(e.in_flight, 'task')} that other clients hold "
        "or that come back within three minutes"
    ),
    events.Waiting: _waiting,
    events.Verifying: lambda _: "the Boss is verifying the job",
    events.BackToUploading: lambda e: f"back to uploading: {e.why}",
    events.Completed: lambda e: f"the Boss says job {e.job_id} is complete",
    events.BossSilent: _silent,
    events.SetAside: lambda e: f"set aside after {count(e.attempts, 'try')}: {task_name(e.key)}\n  {e.error}",
    events.Mended: lambda e: f"stored now: {task_name(e.key)}, which was set aside before",
    events.Substituted: lambda e: (
        f"{'left out' if e.left_out else 'made up'}, as the job file asks: {task_name(e.key)}: {e.what}"
    ),
    events.WontFit: lambda e: (
        f"warning: at this pace the rest takes {duration(e.needed_s)}, but the Boss throws its tasks away "
        f"in {duration(e.left_s)}\n  join more machines to the job, or make smaller jobs of what is left"
    ),
    events.NotRecorded: lambda e: (
        f"warning: the report {e.where} cannot be written: {e.why}\n"
        "  the work goes on; what is set aside stays in the queue all the same"
    ),
    events.ProcessDied: lambda e: (
        f"warning: upload process {e.number} died: {e.how}\n"
        "  another takes its place; the tasks it had come back within three minutes"
    ),
    events.Stopping: lambda e: f"finishing {count(e.in_flight, 'task')} in flight",
}


def sentence(event: events.Event) -> str | None:
    """What to tell a person about an event; None for what only the counts show."""
    tell = _SENTENCES.get(type(event))
    return tell(event) if tell else None


def counts(tally: Tally, pace: Pace, unit: str) -> list[str]:
    """Pace and counts, each in a few words; what is zero and of no interest is left out."""
    parts = [f"{three_digits(pace.tasks_per_s)} {unit}/s", f"{size(pace.bytes_per_s)}/s"]
    if pace.left_s is not None:
        parts.append(f"{duration(pace.left_s)} left")
    parts.append(f"{tally.in_work} in flight")
    if done_by_all(tally) > tally.stored:
        parts.append(f"{count(tally.stored)} done here")
    if tally.retries:
        parts.append(count(tally.retries, "retry"))
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
