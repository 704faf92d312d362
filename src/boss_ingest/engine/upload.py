"""The upload phase of one job, put together: account, source, store, path and pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from boss_ingest.aws.account import Account
from boss_ingest.boss.jobs import Joined
from boss_ingest.boss.keys import LookupIds
from boss_ingest.config.job_file import JobFile
from boss_ingest.encode.freed_memory import keep_freed_memory
from boss_ingest.engine import events
from boss_ingest.engine.budget import Room
from boss_ingest.engine.expiry import Forecast
from boss_ingest.engine.ledger import Ledger
from boss_ingest.engine.limiter import PutLimiter
from boss_ingest.engine.open_source import open_chunks, open_tiles
from boss_ingest.engine.options import Options
from boss_ingest.engine.paths import ChunkPath, JobFacts, TaskPath, TilePath
from boss_ingest.engine.pipeline import Pipeline
from boss_ingest.engine.read_ahead import ReadAhead
from boss_ingest.engine.retry import Retrier
from boss_ingest.engine.siblings import Siblings
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.store import Store
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.wanted import Wanted
from boss_ingest.errors import CredentialsError, GaveUpError
from boss_ingest.plugins.loading import LoadedSource

_WIDEST = 8  # bytes of a voxel
_COPIES = 3  # of a task's voxels at one time: as read, as encoded, and on the way between


@dataclass(frozen=True, slots=True)
class Work:
    """What one client works on: the job file, where its data comes from, and how to go about it."""

    job: JobFile
    source: LoadedSource
    options: Options
    tally: Tally
    observe: events.Observer
    stop: Stop
    wanted: Wanted = field(default_factory=Wanted)
    expires: datetime | None = None  # when the tasks begin to, where that is known


@asynccontextmanager
async def open_pipeline(
    work: Work, joined: Joined, account: Account, siblings: Siblings | None = None
) -> AsyncIterator[Pipeline]:
    """Everything the upload needs, opened; closed again when the block ends, whatever happened."""
    options, tally = work.options, work.tally
    keep_freed_memory(options.memory_bytes)

    async def renew(error: CredentialsError) -> None:
        await account.renew(because=error)

    retry = Retrier(renew=renew, give_up_s=options.give_up_s, tally=tally, observe=work.observe)
    limiter = PutLimiter(options.concurrency)
    volumetric = work.job.ingest_job.ingest_type == "volumetric"
    bucket_name = joined.ingest_bucket if volumetric else joined.tile_bucket
    upload_queue = joined.job.upload_queue
    if bucket_name is None or upload_queue is None:
        raise untold(joined, "bucket" if bucket_name is None else "upload queue")
    store = Store(account.bucket(bucket_name), limiter, retry, tally)
    build = _chunk_path if volumetric else _tile_path
    async with AsyncExitStack() as stack:
        path, itemsize_bytes = await build(work, joined, stack, _Tools(account, limiter, store, retry))
        yield Pipeline(
            account.upload_queue(upload_queue),
            path,
            cost_bytes=_cost_bytes(work.job, joined.datatype, itemsize_bytes),
            room=Room(
                memory_bytes=options.task_bytes,
                tasks=options.tasks_in_work(classic=work.source.reader is None),
            ),
            retry=retry,
            options=options,
            tally=tally,
            ledger=Ledger(),
            observe=work.observe,
            stop=work.stop,
            wanted=work.wanted,
            forecast=Forecast(work.expires, tally, work.observe),
            siblings=siblings,
        )


def untold(joined: Joined, what: str) -> GaveUpError:
    """The error for a join that does not name something the upload needs."""
    return GaveUpError(
        f"the Boss does not name the {what} of job {joined.job.id}",
        hint="it may be too old for this kind of job; ask whoever runs it",
    )


@dataclass(frozen=True, slots=True)
class _Tools:
    account: Account
    limiter: PutLimiter
    store: Store
    retry: Retrier


async def _tile_path(
    work: Work, joined: Joined, stack: AsyncExitStack, tools: _Tools
) -> tuple[TaskPath, int]:
    size = work.job.ingest_job.tile_size
    index_queue = joined.job.tile_index_queue
    assert size is not None
    if index_queue is None:
        raise untold(joined, "tile index queue")
    source = await open_tiles(work.job, work.source, work.options, stack, datatype=joined.datatype)
    path = TilePath(
        _facts(work, joined),
        (size.y, size.x),
        source=source,
        store=tools.store,
        index=tools.account.index_queue(index_queue),
        retry=tools.retry,
        tally=work.tally,
        observe=work.observe,
    )
    return path, source.itemsize_bytes


async def _chunk_path(
    work: Work, joined: Joined, stack: AsyncExitStack, tools: _Tools
) -> tuple[TaskPath, int]:
    size = work.job.ingest_job.chunk_size
    assert size is not None
    source = await open_chunks(
        work.job,
        work.source,
        work.options,
        stack,
        datatype=joined.datatype,
        channel_type=joined.channel_type,
    )
    path = ChunkPath(
        _facts(work, joined),
        (size.z, size.y, size.x),
        source=source,
        ahead=ReadAhead(tools.limiter),
        store=tools.store,
        tally=work.tally,
        observe=work.observe,
        include_outside=work.options.include_outside,
    )
    return path, source.itemsize_bytes


def _facts(work: Work, joined: Joined) -> JobFacts:
    queues = {"upload_queue": joined.job.upload_queue, "ingest_queue": joined.job.ingest_queue}
    ids = LookupIds.parse(joined.lookup_key) if joined.lookup_key else None
    ingest_job = work.job.ingest_job
    parameters = {**queues, **joined.settings}
    return JobFacts(joined.job.id, ingest_job.extent, ids, parameters, ingest_job.resolution)


def _cost_bytes(job: JobFile, datatype: str, source_itemsize: int) -> int:
    """The most a task takes, by the wider of the channel's type and the source's.

    Where that is not known, the channel's; with `convert`, 8 bytes a voxel: the widest that can be converted.
    """
    ingest = job.ingest_job
    unknown = _WIDEST if job.processor.params.get("convert") else 0
    itemsize = max(np.dtype(datatype).itemsize, source_itemsize or unknown)
    if ingest.tile_size is not None and ingest.ingest_type == "tile":
        voxels = ingest.tile_size.y * ingest.tile_size.x
    else:
        assert ingest.chunk_size is not None
        extent = ingest.extent.shape_zyx
        chunk = ingest.chunk_size.z, ingest.chunk_size.y, ingest.chunk_size.x
        z, y, x = (min(a, b) for a, b in zip(chunk, extent, strict=True))
        voxels = z * y * x
    return _COPIES * itemsize * voxels
