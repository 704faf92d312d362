"""The upload phase of one job, put together: account, source, store, path and pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import numpy as np

from boss_ingest.aws.account import Account
from boss_ingest.boss.jobs import Joined
from boss_ingest.boss.keys import LookupIds
from boss_ingest.config.job_file import JobFile
from boss_ingest.encode.pool import WorkerPool
from boss_ingest.engine import events, worker
from boss_ingest.engine.budget import Room
from boss_ingest.engine.ledger import Ledger
from boss_ingest.engine.limiter import PutLimiter
from boss_ingest.engine.options import Options
from boss_ingest.engine.paths import ChunkPath, JobFacts, TaskPath, TilePath
from boss_ingest.engine.pipeline import Pipeline
from boss_ingest.engine.retry import Retrier
from boss_ingest.engine.sources import (
    ChunkForm,
    ChunkSource,
    PluginChunks,
    PluginTiles,
    ReaderChunks,
    ReaderTiles,
    TileForm,
    TileSource,
)
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.store import Store
from boss_ingest.engine.tally import Tally
from boss_ingest.errors import CredentialsError
from boss_ingest.plugins.loading import LoadedSource
from boss_ingest.plugins.reader import ChunkReader, Setup, TileReader

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


@asynccontextmanager
async def open_pipeline(work: Work, joined: Joined, account: Account) -> AsyncIterator[Pipeline]:
    """Everything the upload needs, opened; closed again when the block ends, whatever happened."""
    options, tally = work.options, work.tally

    async def renew(error: CredentialsError) -> None:
        await account.renew(because=error)

    retry = Retrier(renew=renew, give_up_s=options.give_up_s, tally=tally, observe=work.observe)
    limiter = PutLimiter(options.concurrency)
    volumetric = work.job.ingest_job.ingest_type == "volumetric"
    bucket_name = joined.ingest_bucket if volumetric else joined.tile_bucket
    upload_queue = joined.job.upload_queue
    assert bucket_name is not None
    assert upload_queue is not None
    store = Store(account.bucket(bucket_name), limiter, retry, tally)
    build = _chunk_path if volumetric else _tile_path
    async with AsyncExitStack() as stack:
        path = await build(work, joined, stack, _Tools(account, store, retry))
        yield Pipeline(
            account.upload_queue(upload_queue),
            path,
            cost_bytes=_cost_bytes(work.job, joined.datatype),
            room=Room(memory_bytes=options.memory_bytes, tasks=options.concurrency + 4 * options.workers),
            retry=retry,
            options=options,
            tally=tally,
            ledger=Ledger(),
            observe=work.observe,
            stop=work.stop,
        )


@dataclass(frozen=True, slots=True)
class _Tools:
    account: Account
    store: Store
    retry: Retrier


async def _tile_path(work: Work, joined: Joined, stack: AsyncExitStack, tools: _Tools) -> TaskPath:
    size = work.job.ingest_job.tile_size
    index_queue = joined.job.tile_index_queue
    assert size is not None
    assert index_queue is not None
    form = TileForm((size.y, size.x), joined.datatype, pad=_padding(work.job))
    pool = await stack.enter_async_context(_pool(work))
    source: TileSource
    if work.source.reader is None:
        source = PluginTiles(form, pool)
    else:
        reader = await _opened(work, stack)
        assert isinstance(reader, TileReader)
        source = ReaderTiles(reader, form, pool, timeout_s=work.options.read_timeout_s)
    return TilePath(
        _facts(work, joined),
        (size.y, size.x),
        source=source,
        store=tools.store,
        index=tools.account.index_queue(index_queue),
        retry=tools.retry,
        tally=work.tally,
    )


async def _chunk_path(work: Work, joined: Joined, stack: AsyncExitStack, tools: _Tools) -> TaskPath:
    size = work.job.ingest_job.chunk_size
    assert size is not None
    shape_zyx = size.z, size.y, size.x
    form = ChunkForm(shape_zyx, joined.datatype, joined.channel_type, pad=_padding(work.job))
    source: ChunkSource
    if work.source.reader is None:
        source = PluginChunks(form, await stack.enter_async_context(_pool(work)))
    else:
        reader = await _opened(work, stack)
        assert isinstance(reader, ChunkReader)
        threads = stack.enter_context(ThreadPoolExecutor(work.options.workers, "blosc"))
        source = ReaderChunks(reader, form, threads, timeout_s=work.options.read_timeout_s)
    return ChunkPath(
        _facts(work, joined),
        shape_zyx,
        source=source,
        store=tools.store,
        tally=work.tally,
        include_outside=work.options.include_outside,
    )


async def _opened(work: Work, stack: AsyncExitStack) -> TileReader | ChunkReader:
    assert work.source.reader is not None
    reader = work.source.reader()
    stack.push_async_callback(reader.close)
    async with asyncio.timeout(work.options.read_timeout_s):
        await reader.open(setup_of(work.job))
    return reader


def _pool(work: Work) -> WorkerPool:
    pair = None
    if work.source.reader is None:
        assert work.source.path_class is not None
        pair = worker.PluginPair(
            work.source.path_class,
            work.source.processor_class,
            setup_of(work.job),
            volumetric=work.job.ingest_job.ingest_type == "volumetric",
        )
    return WorkerPool(
        work.options.workers,
        initializer=worker.start,
        initargs=(pair,),
        timeout_s=work.options.read_timeout_s,
    )


def setup_of(job: JobFile) -> Setup:
    """What a plugin is told when it starts: its params, the path processor's, and the job as written."""
    return Setup(
        path_params=job.path_processor.params if job.path_processor else {},
        params=job.processor.params,
        ingest_job=job.ingest_job.raw,
        job_dir=job.source.parent,
    )


def _facts(work: Work, joined: Joined) -> JobFacts:
    queues = {"upload_queue": joined.job.upload_queue, "ingest_queue": joined.job.ingest_queue}
    ids = LookupIds.parse(joined.lookup_key) if joined.lookup_key else None
    return JobFacts(joined.job.id, work.job.ingest_job.extent, ids, {**queues, **joined.settings})


def _padding(job: JobFile) -> bool:
    return bool(job.processor.params.get("pad", False))


def _cost_bytes(job: JobFile, datatype: str) -> int:
    ingest = job.ingest_job
    itemsize = np.dtype(datatype).itemsize
    if ingest.tile_size is not None and ingest.ingest_type == "tile":
        voxels = ingest.tile_size.y * ingest.tile_size.x
    else:
        assert ingest.chunk_size is not None
        extent = ingest.extent.shape_zyx
        chunk = ingest.chunk_size.z, ingest.chunk_size.y, ingest.chunk_size.x
        z, y, x = (min(a, b) for a, b in zip(chunk, extent, strict=True))
        voxels = z * y * x
    return _COPIES * itemsize * voxels
