"""Opening the source of a job: its reader or its plugins, with the threads and processes they need."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress

import numpy as np

from boss_ingest.config.job_file import JobFile
from boss_ingest.encode.codec import codec_for
from boss_ingest.encode.conversion import Conversion
from boss_ingest.encode.pool import WorkerPool
from boss_ingest.engine import worker
from boss_ingest.engine.chunk_source import ChunkForm, ChunkSource, PluginChunks, ReaderChunks
from boss_ingest.engine.harm import others_code
from boss_ingest.engine.missing import ForgivingChunks, ZeroTiles, missing_of
from boss_ingest.engine.options import Options
from boss_ingest.engine.tile_source import PluginTiles, ReaderTiles, TileForm, TileSource
from boss_ingest.errors import ConfigError, IngestError, TaskError
from boss_ingest.plugins.blame import last_line
from boss_ingest.plugins.loading import LoadedSource
from boss_ingest.plugins.reader import ChunkReader, Setup, TileReader

log = logging.getLogger(__name__)

_DESCRIBE_S = 10.0
_CLOSE_S = 10.0  # the longest that letting go of a source may take


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
    """The tiles of a job, as the channel's datatype; closed with `stack`. Raises ConfigError."""
    size = job.ingest_job.tile_size
    assert size is not None
    form = TileForm((size.y, size.x), datatype, _padding(job), _conversion(job))
    pool = await stack.enter_async_context(_pool(job, loaded, options))
    source: TileSource
    if loaded.reader is None:
        source = PluginTiles(form, pool)
    else:
        reader = await open_reader(
            job, loaded, stack, timeout_s=options.read_timeout_s, cache_bytes=options.cache_bytes
        )
        assert isinstance(reader, TileReader)
        itemsize_bytes = await _itemsize_bytes(reader, timeout_s=options.read_timeout_s)
        source = ReaderTiles(
            reader, form, pool, timeout_s=options.read_timeout_s, itemsize_bytes=itemsize_bytes
        )
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
    """The chunks of a job, as the channel's datatype; closed with `stack`. Raises ConfigError."""
    size = job.ingest_job.chunk_size
    assert size is not None
    codec = options.codec or codec_for(channel_type, itemsize_bytes=np.dtype(datatype).itemsize)
    form = ChunkForm((size.z, size.y, size.x), datatype, codec, _padding(job), _conversion(job))
    source: ChunkSource
    if loaded.reader is None:
        source = PluginChunks(form, await stack.enter_async_context(_pool(job, loaded, options)))
    else:
        reader = await open_reader(
            job, loaded, stack, timeout_s=options.read_timeout_s, cache_bytes=options.cache_bytes
        )
        assert isinstance(reader, ChunkReader)
        threads = stack.enter_context(ThreadPoolExecutor(options.workers, "blosc"))
        itemsize_bytes = await _itemsize_bytes(reader, timeout_s=options.read_timeout_s)
        source = ReaderChunks(
            reader, form, threads, timeout_s=options.read_timeout_s, itemsize_bytes=itemsize_bytes
        )
    missing = missing_of(job.processor.params)
    return source if missing == "error" else ForgivingChunks(source, form, missing)


async def open_reader(
    job: JobFile, loaded: LoadedSource, stack: AsyncExitStack, *, timeout_s: float, cache_bytes: int = 0
) -> TileReader | ChunkReader:
    """The reader of a source, opened; closed with `stack`.

    Raises ConfigError when that fails, for without its source no task of the job can be done.
    """
    reader = _made(loaded)
    stack.push_async_callback(_close, reader, timeout_s=min(timeout_s, _CLOSE_S))
    try:
        async with others_code("opening the source", timeout_s=timeout_s):
            await reader.open(setup_of(job, cache_bytes=cache_bytes))
    except TaskError as error:
        raise ConfigError(error.what, hint=error.hint) from error
    return reader


async def _itemsize_bytes(reader: TileReader | ChunkReader, *, timeout_s: float) -> int:
    """Of a voxel as it is read; 0 when the source cannot tell: its tasks will find what is wrong."""
    with suppress(TaskError, TypeError):
        async with others_code("describing the source", timeout_s=min(timeout_s, _DESCRIBE_S)):
            return np.dtype((await reader.describe()).dtype or "V").itemsize
    return 0


def _made(loaded: LoadedSource) -> TileReader | ChunkReader:
    assert loaded.reader is not None
    try:
        return loaded.reader()
    except IngestError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{loaded.processor_class} cannot be made: {last_line(error)}",
            hint="a reader is made without arguments, and looks at its params in open",
        ) from error


async def _close(reader: TileReader | ChunkReader, *, timeout_s: float) -> None:
    """Let a reader go; what goes wrong in that has no part in what was stored."""
    try:
        async with others_code("closing the source", timeout_s=timeout_s):
            await reader.close()
    except IngestError as error:
        log.warning("%s", error)


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
