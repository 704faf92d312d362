"""Reading a little of the source before there is a job, so that a mistake shows before it costs time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from boss_ingest.boss.keys import ChunkKey, LookupIds, TileKey
from boss_ingest.config.job_file import JobFile
from boss_ingest.engine.open_source import open_chunks, open_tiles
from boss_ingest.engine.options import Options
from boss_ingest.engine.tasks import ChunkTask, TileTask
from boss_ingest.errors import TaskError
from boss_ingest.plugins.loading import LoadedSource

_ANY = LookupIds(0, 0, 0)


async def rehearse(
    job: JobFile, loaded: LoadedSource, options: Options, *, datatype: str, channel_type: str
) -> TaskError | None:
    """Read the first and the last tile, or the first chunk, just as the job would.

    Returns what is wrong with one of these, or None when they are as the job file says: others may be
    better. Raises ConfigError when the source cannot be opened, for then none of it can be read.
    """
    async with AsyncExitStack() as stack:
        tries = await _open(job, loaded, options, stack, datatype=datatype, channel_type=channel_type)
        try:
            for read in tries:
                await read()
        except TaskError as error:
            return error
    return None


async def _open(
    job: JobFile,
    loaded: LoadedSource,
    options: Options,
    stack: AsyncExitStack,
    *,
    datatype: str,
    channel_type: str,
) -> list[Callable[[], Awaitable[object]]]:
    if job.ingest_job.ingest_type == "tile":
        tiles = await open_tiles(job, loaded, options, stack, datatype=datatype)
        return [partial(tiles.read, task) for task in _first_and_last_tile(job)]
    chunks = await open_chunks(job, loaded, options, stack, datatype=datatype, channel_type=channel_type)
    return [partial(chunks.read, _first_chunk(job))]


def _first_and_last_tile(job: JobFile) -> list[TileTask]:
    extent, size = job.ingest_job.extent, job.ingest_job.tile_size
    assert size is not None
    first = extent.t.start, extent.z.start, extent.y.start, extent.x.start
    last = extent.t.stop - 1, extent.z.stop - 1, extent.y.stop - 1, extent.x.stop - 1
    tasks = []
    for t, z, y, x in dict.fromkeys((first, last)):
        key = TileKey(_ANY, job.ingest_job.resolution, x // size.x, y // size.y, z, t)
        needed_yx = (
            min(size.y, extent.y.stop - key.y * size.y),
            min(size.x, extent.x.stop - key.x * size.x),
        )
        tasks.append(TileTask(key.encode(), "", key, needed_yx))
    return tasks


def _first_chunk(job: JobFile) -> ChunkTask:
    extent, size = job.ingest_job.extent, job.ingest_job.chunk_size
    assert size is not None
    z, y, x = origin = extent.z.start, extent.y.start, extent.x.start
    stop = min(z + size.z, extent.z.stop), min(y + size.y, extent.y.stop), min(x + size.x, extent.x.stop)
    index = ChunkKey(1, _ANY, job.ingest_job.resolution, x // size.x, y // size.y, z // size.z, 0)
    return ChunkTask(index.encode(), index, origin, stop, cuboids=(), outside=0)
