"""Opening the source of a job: its reader or its plugins, with the threads and processes they need."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack

from boss_ingest.config.job_file import JobFile
from boss_ingest.encode.conversion import Conversion
from boss_ingest.encode.pool import WorkerPool
from boss_ingest.engine import worker
from boss_ingest.engine.missing import ForgivingChunks, ZeroTiles, missing_of
from boss_ingest.engine.options import Options
from boss_ingest.engine.sources import (
    ChunkForm,
    ChunkSource,
    PluginChunks,
    PluginTiles,
    ReaderChunks,
    ReaderTiles,
    TileForm,
    TileSource,
    others_code,
)
from boss_ingest.errors import ConfigError, TaskError
from boss_ingest.plugins.loading import LoadedSource
from boss_ingest.plugins.reader import ChunkReader, Setup, TileReader


def setup_of(job: JobFile, *, cache_bytes: int = 0) -> Setup:
    """What a plugin is told when it starts: its params, the path processor's, and the job as written."""
    return Setup(
        path_params=job.path_processor.params if job.path_processor else {},
        params=job.processor.params,
        ingest_job=job.ingest_job.raw,
        job_dir=job.source.parent,
        cache_bytes=cache_bytes,
    )


async def open_tiles(
    job: JobFile, loaded: LoadedSource, options: Options, stack: AsyncExitStack, *, datatype: str
) -> TileSource:
    """The tiles of a job, as the channel's datatype; closed with `stack`. Raises SourceError."""
    size = job.ingest_job.tile_size
    assert size is not None
    form = TileForm((size.y, size.x), datatype, _padding(job), _conversion(job))
    pool = await stack.enter_async_context(_pool(job, loaded, options))
    source: TileSource
    if loaded.reader is None:
        source = PluginTiles(form, pool)
    else:
        reader = await _opened(job, loaded, options, stack)
        assert isinstance(reader, TileReader)
        source = ReaderTiles(reader, form, pool, timeout_s=options.read_timeout_s)
    return source if missing_of(job.processor.params) == "error" else ZeroTiles(source, form)


async def open_chunks(
    job: JobFile,
    loaded: LoadedSource,
    options: Options,
    stack: AsyncExitStack,
    *,
    datatype: str,
    channel_type: str,
) -> ChunkSource:
    """The chunks of a job, as the channel's datatype; closed with `stack`. Raises SourceError."""
    size = job.ingest_job.chunk_size
    assert size is not None
    form = ChunkForm((size.z, size.y, size.x), datatype, channel_type, _padding(job), _conversion(job))
    source: ChunkSource
    if loaded.reader is None:
        source = PluginChunks(form, await stack.enter_async_context(_pool(job, loaded, options)))
    else:
        reader = await _opened(job, loaded, options, stack)
        assert isinstance(reader, ChunkReader)
        threads = stack.enter_context(ThreadPoolExecutor(options.workers, "blosc"))
        source = ReaderChunks(reader, form, threads, timeout_s=options.read_timeout_s)
    missing = missing_of(job.processor.params)
    return source if missing == "error" else ForgivingChunks(source, form, missing)


async def _opened(
    job: JobFile, loaded: LoadedSource, options: Options, stack: AsyncExitStack
) -> TileReader | ChunkReader:
    assert loaded.reader is not None
    reader = loaded.reader()
    stack.push_async_callback(reader.close)
    try:
        async with others_code("opening the source", timeout_s=options.read_timeout_s):
            await reader.open(setup_of(job, cache_bytes=options.cache_bytes))
    except TaskError as error:  # without its source no task of the job can be done
        raise ConfigError(error.what, hint=error.hint) from error
    return reader


def _pool(job: JobFile, loaded: LoadedSource, options: Options) -> WorkerPool:
    pair = None
    if loaded.reader is None:
        assert loaded.path_class is not None
        volumetric = job.ingest_job.ingest_type == "volumetric"
        pair = worker.PluginPair(
            loaded.path_class, loaded.processor_class, setup_of(job), volumetric=volumetric
        )
    return WorkerPool(
        options.workers, initializer=worker.start, initargs=(pair,), timeout_s=options.read_timeout_s
    )


def _conversion(job: JobFile) -> Conversion | None:
    return Conversion.asked_for(job.processor.params.get("convert"))


def _padding(job: JobFile) -> bool:
    return bool(job.processor.params.get("pad", False))
