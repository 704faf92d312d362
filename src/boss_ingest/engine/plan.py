"""What a job would do, found out before it is made: destination, source, counts, and what to know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boss_ingest.boss.checks import Destination, check_destination
from boss_ingest.boss.client import BossClient
from boss_ingest.config.job_file import JobFile
from boss_ingest.config.rules import warnings as file_warnings
from boss_ingest.engine.options import Options
from boss_ingest.engine.rehearsal import rehearse
from boss_ingest.errors import ConfigError, Problem, TaskError
from boss_ingest.plugins.loading import LoadedSource


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a person is told before a job is made."""

    job: JobFile
    destination: Destination
    source: LoadedSource
    read_bytes: int  # voxels inside the extent, as the channel stores them
    warnings: tuple[str, ...]
    rehearsal: TaskError | None  # what went wrong when a little of the source was read


async def make_plan(job: JobFile, loaded: LoadedSource, boss: BossClient, options: Options) -> Plan:
    """Ask the Boss about the channel and try the source. Raises ConfigError, NotAllowedError, GaveUpError."""
    _check_classic_chunks(job, loaded)
    destination = await check_destination(boss, job)
    channel = destination.channel
    itemsize = np.dtype(channel.datatype).itemsize
    extent = job.ingest_job.extent
    return Plan(
        job=job,
        destination=destination,
        source=loaded,
        read_bytes=extent.voxels * itemsize,
        warnings=(*file_warnings(job), *destination.warnings),
        rehearsal=await rehearse(job, loaded, options, datatype=channel.datatype, channel_type=channel.type),
    )


def _check_classic_chunks(job: JobFile, loaded: LoadedSource) -> None:
    """A classic chunk processor knows only chunk indices, which are floored: starts must be whole chunks."""
    size = job.ingest_job.chunk_size
    if loaded.reader is not None or job.ingest_job.ingest_type == "tile" or size is None:
        return
    extent = job.ingest_job.extent
    axes = [("x", extent.x, size.x), ("y", extent.y, size.y), ("z", extent.z, size.z)]
    problems = tuple(
        Problem(
            f"ingest_job.extent.{axis}",
            f"[{span.start}, {span.stop}]",
            f"must start at a multiple of chunk_size.{axis} ({step}) with {loaded.processor_class}, "
            "which is told chunk numbers only",
            f"start at {span.start // step * step}, or use a reader that takes voxel ranges",
        )
        for axis, span, step in axes
        if span.start % step
    )
    if problems:
        raise ConfigError(f"{job.source} cannot be read in whole chunks", problems=problems)
