"""Making a job, and, on a local Boss, the channel it needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeVar

from boss_ingest.boss.answers import ResourceMissingError
from boss_ingest.boss.client import BossClient
from boss_ingest.boss.resources import Channel, Collection, CoordinateFrame, Experiment
from boss_ingest.config.datatypes import ITEMSIZE_BYTES
from boss_ingest.config.job_file import JobFile
from boss_ingest.config.server_form import server_form
from boss_ingest.engine.expiry import utc_now
from boss_ingest.engine.harm import others_code
from boss_ingest.engine.job_record import JobRecord, remember
from boss_ingest.engine.open_source import open_reader
from boss_ingest.engine.stop import Stop
from boss_ingest.errors import IngestError, StopRequestedError
from boss_ingest.plugins.loading import LoadedSource

_DESCRIBE_S = 60.0

T = TypeVar("T")


async def create_job(
    job: JobFile, boss: BossClient, *, stop: Stop, env: Mapping[str, str], local: str = ""
) -> int:
    """Make the job and remember its job file on this machine; returns its id.

    `local` is the folder of the local Boss it is made on, if it is. The request is never sent twice.
    Raises ConfigError, NotAllowedError, GaveUpError, StopRequestedError.
    """
    if stop.draining.is_set():
        raise StopRequestedError("stopped before the job was made")
    try:
        made = await stop.unless(boss.create(server_form(job)))
    except StopRequestedError as error:
        raise StopRequestedError(
            "stopped while the job was being made",
            hint="it may have come to be all the same: look with `boss-ingest jobs`",
        ) from error
    record = JobRecord(
        made.id,
        boss.base_url,
        config=str(job.source.resolve()),
        directory=str(Path.cwd()),
        local=local,
        created=utc_now().isoformat(timespec="seconds"),
    )
    remember(record, env)
    return made.id


async def make_channel(job: JobFile, loaded: LoadedSource, boss: BossClient) -> None:
    """Make what the job file names and the Boss does not have, as large as the extent asks for.

    For a local Boss only: on a real one the channel is somebody's decision. Its datatype is the
    source's where the source tells it and a Boss can store it, else uint8.
    """
    names, extent = job.database, job.ingest_job.extent
    frame = f"{names.collection}_{names.experiment}"
    await _ensure(
        lambda: boss.collection(names.collection),
        lambda: boss.create_collection(Collection(names.collection)),
    )
    await _ensure(
        lambda: boss.coordinate_frame(frame),
        lambda: boss.create_coordinate_frame(
            CoordinateFrame(frame, 0, extent.x.stop, 0, extent.y.stop, 0, extent.z.stop)
        ),
    )
    await _ensure(
        lambda: boss.experiment(names.collection, names.experiment),
        lambda: boss.create_experiment(
            Experiment(names.collection, names.experiment, frame, num_time_samples=extent.t.stop)
        ),
    )
    datatype = await _datatype(job, loaded)
    await _ensure(
        lambda: boss.channel(names.collection, names.experiment, names.channel),
        lambda: boss.create_channel(
            Channel(
                names.collection,
                names.experiment,
                names.channel,
                type="annotation" if datatype == "uint64" else "image",
                datatype=datatype,
                base_resolution=job.ingest_job.resolution,
            )
        ),
    )


async def _ensure(find: Callable[[], Awaitable[T]], make: Callable[[], Awaitable[T]]) -> T:
    try:
        return await find()
    except ResourceMissingError:
        return await make()


async def _datatype(job: JobFile, loaded: LoadedSource) -> str:
    if loaded.reader is None:
        return "uint8"
    described: str | None = None
    try:
        async with AsyncExitStack() as stack:
            reader = await open_reader(job, loaded, stack, timeout_s=_DESCRIBE_S)
            async with others_code("describing the source", timeout_s=_DESCRIBE_S):
                described = (await reader.describe()).dtype
    except IngestError:
        pass  # the plan tells what is wrong with the source, in its place
    return described if described in ITEMSIZE_BYTES else "uint8"
