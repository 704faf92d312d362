"""Reading a little of the source before there is a job, so that a mistake shows before it costs time."""

from __future__ import annotations

from contextlib import AsyncExitStack

from boss_ingest.boss.keys import ChunkKey, LookupIds, TileKey
from boss_ingest.config.job_file import JobFile
from boss_ingest.engine.open_source import open_chunks, open_tiles
from boss_ingest.engine.options import Options
from boss_ingest.engine.tasks import ChunkTask, TileTask
from boss_ingest.errors import IngestError
from boss_ingest.plugins.loading import LoadedSource

_ANY = LookupIds(0, 0, 0)


async def rehearse(
    job: JobFile, loaded: LoadedSource, options: Options, *, datatype: str, channel_type: str
) -> IngestError | None:
    """Read the first and the last tile, or the first chunk, just as the job would.

    Returns the first error met, or None when all of it is as the job file says.
    """
    async with AsyncExitStack() as stack:
        try:
            if job.ingest_job.ingest_type == "tile":
                tiles = await open_tiles(job, loaded, options, stack, datatype=datatype)
                for task in _first_and_last_tile(job):
                    await tiles.read(task)
            else:
                chunks = await open_chunks(
                    job, loaded, options, stack, datatype=datatype, channel_type=channel_type
                )
                await chunks.read(_first_chunk(job))
        except IngestError as error:
            return error
    return None


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
