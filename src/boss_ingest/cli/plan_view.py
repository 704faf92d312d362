"""Showing a plan: where the data goes, where it comes from, how much it is, what to know beforehand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from boss_ingest.cli.words import count, size
from boss_ingest.engine.expiry import LIFE, utc_now

if TYPE_CHECKING:
    from boss_ingest.config.extent import Span
    from boss_ingest.engine.plan import Plan


_NAME_WIDTH = 13


def plan_text(plan: Plan, *, boss: str) -> str:
    """The whole plan, ready to print; `boss` is the name of the Boss it is for."""
    job, ingest, channel = plan.job, plan.job.ingest_job, plan.destination.channel
    database = job.database
    spans = {"x": ingest.extent.x, "y": ingest.extent.y, "z": ingest.extent.z, "t": ingest.extent.t}
    where = f"{database.collection}/{database.experiment}/{database.channel}"
    rows = [
        ("Job file", str(job.source)),
        ("Destination", f"{where} ({channel.type}, {channel.datatype}) on {boss}"),
        ("Source", job.processor.class_name),
        *(("", f"code from {path}") for path in plan.source.files if not plan.source.builtin),
        ("Extent", "  ".join(f"{axis} {_span(span)}" for axis, span in spans.items())),
        ("Work", _work(plan)),
        ("To read", f"{size(plan.read_bytes)} of voxels"),
        (
            "Time",
            f"the Boss keeps the tasks for {LIFE.days} days, until {utc_now() + LIFE:%Y-%m-%d %H:%M} UTC",
        ),
        *(("Note", warning) for warning in plan.warnings),
        _tried(plan),
    ]
    return "\n".join(_row(name, text) for name, text in rows)


def _row(name: str, text: str) -> str:
    colour = {"Note": "yellow", "Problem": "red"}.get(name)
    indented = text.replace("\n", "\n" + " " * _NAME_WIDTH)
    return click.style(name.ljust(_NAME_WIDTH), fg=colour) + indented


def _tried(plan: Plan) -> tuple[str, str]:
    if plan.rehearsal is None:
        return "Tried", "a first read of the source: it is as the job file says"
    return "Problem", f"a first read of the source failed:\n{plan.rehearsal}"


def _span(span: Span) -> str:
    return f"[{count(span.start)}, {count(span.stop)})"


def _work(plan: Plan) -> str:
    ingest = plan.job.ingest_job
    if ingest.ingest_type == "tile":
        assert ingest.tile_size is not None
        return f"{count(ingest.task_count)} tiles of {ingest.tile_size.x} × {ingest.tile_size.y}"
    assert ingest.chunk_size is not None
    sides = f"{ingest.chunk_size.x} × {ingest.chunk_size.y} × {ingest.chunk_size.z}"
    return f"{count(ingest.task_count)} chunks of {sides}, {count(ingest.cuboid_count)} cuboids of the Boss"
