"""What must be true of the channel a job writes to: the rules that only the Boss can answer.

The server checks none of this when the job is created (docs/protocol.md, "Job file").
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from boss_ingest.boss.answers import MARKED_FOR_DELETION, ResourceMissingError
from boss_ingest.boss.client import BossClient
from boss_ingest.boss.resources import Channel, CoordinateFrame, Experiment
from boss_ingest.config.datatypes import ITEMSIZE_BYTES
from boss_ingest.config.geometry_rules import MAX_TILE_BYTES
from boss_ingest.config.job_file import JobFile
from boss_ingest.errors import ConfigError, Problem

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a job's voxels go, and what a person should know about it."""

    channel: Channel
    experiment: Experiment
    frame: CoordinateFrame
    warnings: tuple[str, ...]


async def check_destination(boss: BossClient, job: JobFile) -> Destination:
    """Look at the channel, its experiment and its frame. Raises ConfigError with all problems at once."""
    names = job.database
    found: list[Problem] = []
    experiment = await _found(boss.experiment(names.collection, names.experiment), "experiment", found)
    if experiment is None:
        missing: list[Problem] = []
        if await _found(boss.collection(names.collection), "collection", missing) is None:
            found = missing
        raise _refused(job, found)
    frame = await boss.coordinate_frame(experiment.coord_frame)
    channel = await _found(boss.channel(names.collection, names.experiment, names.channel), "channel", found)
    found += _of_frame(job, experiment, frame)
    if channel is not None:
        found += _of_channel(job, channel)
    if found or channel is None:
        raise _refused(job, found)
    return Destination(channel, experiment, frame, tuple(_warnings(job, channel, experiment, frame)))


async def _found(call: Awaitable[T], kind: str, problems: list[Problem]) -> T | None:
    try:
        return await call
    except ResourceMissingError as error:
        if error.code == str(MARKED_FOR_DELETION):
            rule = f"the {kind} is marked for deletion"
            fix = "use another name, or ask the Boss's administrators"
        else:
            rule, fix = f"the Boss has no such {kind}", "correct the name, or create it first"
        problems.append(Problem(f"database.{kind}", "", rule, fix))
        return None


def _refused(job: JobFile, problems: list[Problem]) -> ConfigError:
    names = job.database
    where = f"{names.collection}/{names.experiment}/{names.channel}"
    return ConfigError(f"{job.source} cannot be ingested into {where}", problems=tuple(problems))


def _of_frame(job: JobFile, experiment: Experiment, frame: CoordinateFrame) -> Iterator[Problem]:
    extent = job.ingest_job.extent
    for axis, span in (("x", extent.x), ("y", extent.y), ("z", extent.z)):
        bounds = frame.span(axis)
        if span.start < bounds.start or span.stop > bounds.stop:
            rule = f"the coordinate frame {frame.name} holds {axis} from {bounds.start} to {bounds.stop}"
            fix = "keep inside it; what lies outside could never be read"
            yield Problem(f"ingest_job.extent.{axis}", f"[{span.start}, {span.stop}]", rule, fix)
    if extent.t.stop > experiment.num_time_samples:
        rule = f"the experiment has {experiment.num_time_samples} time samples"
        fix = f"stop at {experiment.num_time_samples}, or ask for an experiment with more"
        yield Problem("ingest_job.extent.t", f"[{extent.t.start}, {extent.t.stop}]", rule, fix)


def _of_channel(job: JobFile, channel: Channel) -> Iterator[Problem]:
    if channel.datatype not in ITEMSIZE_BYTES:
        rule = f"its datatype is {channel.datatype}, which the Boss cannot store"
        yield Problem(
            "database.channel", channel.name, rule, f"use a channel of {' or '.join(ITEMSIZE_BYTES)}"
        )
    if channel.storage_type != "spdb":
        rule = f"its voxels are kept in {channel.storage_type}, where an ingest cannot put them"
        yield Problem("database.channel", channel.name, rule, "use a channel with storage_type spdb")
    if job.ingest_job.resolution != channel.base_resolution:
        rule = f"the channel's base_resolution is {channel.base_resolution}, and the Boss ingests at no other"
        yield Problem(
            "ingest_job.resolution", str(job.ingest_job.resolution), rule, f"write {channel.base_resolution}"
        )


def _warnings(
    job: JobFile, channel: Channel, experiment: Experiment, frame: CoordinateFrame
) -> Iterator[str]:
    tile_size, itemsize_bytes = job.ingest_job.tile_size, ITEMSIZE_BYTES[channel.datatype]
    if job.ingest_job.ingest_type == "tile" and tile_size is not None:
        if channel.datatype == "uint64":
            yield (
                "the channel is uint64: tiles are images and cannot carry values above 2,147,483,647; "
                "a volumetric job can"
            )
        pixels = tile_size.x * tile_size.y
        if pixels <= MAX_TILE_BYTES < pixels * itemsize_bytes:
            yield (
                f"a tile is {pixels * itemsize_bytes:,} bytes as {channel.datatype}: above some "
                f"{MAX_TILE_BYTES:,} the Boss may run out of memory and never store it"
            )
    if channel.type == "annotation" and channel.datatype != "uint64":
        yield f"the channel is an annotation of {channel.datatype}: the Boss keeps annotations as uint64"
    if channel.downsample_status != "NOT_DOWNSAMPLED":
        yield (
            f"the channel's coarser resolutions are {channel.downsample_status}: they will not show what is "
            "ingested now until it is downsampled again"
        )
    yield from _of_coarse_frame(job, channel, experiment, frame)


def _of_coarse_frame(
    job: JobFile, channel: Channel, experiment: Experiment, frame: CoordinateFrame
) -> Iterator[str]:
    """The frame is told at resolution 0; a channel that starts coarser fills less of it."""
    factor = 2**channel.base_resolution
    extent = job.ingest_job.extent
    axes = {"x": extent.x, "y": extent.y}
    if experiment.hierarchy_method == "isotropic":
        axes["z"] = extent.z
    for axis, span in axes.items():
        stop = -(-frame.span(axis).stop // factor)
        if span.stop > stop:
            yield (
                f"ingest_job.extent.{axis} stops at {span.stop}: at resolution {channel.base_resolution} the "
                f"coordinate frame ends at {stop}"
            )
