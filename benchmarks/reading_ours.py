"""One run of ours: the engine's own sources, reader and workers, asked for tasks as the engine asks.

python reading_ours.py WORK.json [alone]: the last line printed is what came of it, as JSON. `alone`: the
reader's read calls and nothing after them.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.reading_original import cpu_s, read_bytes
from boss_ingest.boss.keys import ChunkKey, LookupIds, TileKey
from boss_ingest.config.job_file import JobFile
from boss_ingest.config.loading import parse_job_file
from boss_ingest.encode.freed_memory import keep_freed_memory
from boss_ingest.engine.budget import Room
from boss_ingest.engine.open_source import open_chunks, open_reader, open_tiles
from boss_ingest.engine.options import Options
from boss_ingest.engine.tasks import ChunkTask, Cuboid, TileTask
from boss_ingest.plugins.loading import LoadedSource, load_source
from boss_ingest.plugins.reader import Box, TileIndex, TileReader

IDS = LookupIds(1, 1, 1)
Done = Callable[[TileTask | ChunkTask], Awaitable[tuple[int, int]]]
"""Does one task; returns the bytes to upload, and those that came from workers through pipes."""


def job_of(work: dict[str, Any]) -> JobFile:
    plugin = "chunk_processor" if work["volumetric"] else "tile_processor"
    client: dict[str, Any] = {
        "backend": {"name": "boss", "class": "BossBackend", "host": "localhost", "protocol": "http"},
        plugin: {"class": f"boss_ingest.plugins.{work['processor']}", "params": work["params"]},
    }
    if work["path"]:
        named = f"boss_ingest.plugins.{work['path']}"
        client["path_processor"] = {"class": named, "params": work["path_params"]}
    data = {
        "schema": {"name": "boss-v0.2-schema", "validator": "BossValidatorV02"},
        "client": client,
        "database": {"collection": "c", "experiment": "e", "channel": "c"},
        "ingest_job": work["ingest_job"],
    }
    return parse_job_file(data, source=Path("job.json"))


def tasks_of(work: dict[str, Any]) -> list[TileTask | ChunkTask]:
    if not work["volumetric"]:
        size = work["ingest_job"]["tile_size"]
        needed = size["y"], size["x"]
        return [TileTask(str(at), "", TileKey(IDS, 0, *at), needed) for at in work["indices"]]
    size = work["ingest_job"]["chunk_size"]
    tasks: list[TileTask | ChunkTask] = []
    for x, y, z, t in work["indices"]:
        origin = z * size["z"], y * size["y"], x * size["x"]
        stop = origin[0] + size["z"], origin[1] + size["y"], origin[2] + size["x"]
        corners = np.ndindex(size["z"] // 16, size["y"] // 512, size["x"] // 512)
        cuboids = tuple(Cuboid(f"{x} {y} {z} {c}", (c[0] * 16, c[1] * 512, c[2] * 512)) for c in corners)
        tasks.append(ChunkTask(f"{x} {y} {z}", ChunkKey(1, IDS, 0, x, y, z, t), origin, stop, cuboids, 0))
    return tasks


async def opened(
    job: JobFile, loaded: LoadedSource, options: Options, stack: AsyncExitStack, work: dict[str, Any]
) -> Done:
    """The way from a task to bytes, up to where they would be uploaded."""
    if work["volumetric"]:
        chunks = await open_chunks(job, loaded, options, stack, datatype=work["dtype"], channel_type="image")

        async def chunk(task: ChunkTask) -> tuple[int, int]:
            read = await chunks.read(task)
            return sum([len(await read.body(cuboid)) for cuboid in task.cuboids]), 0

        return chunk
    tiles = await open_tiles(job, loaded, options, stack, datatype=work["dtype"])

    async def tile(task: TileTask) -> tuple[int, int]:
        image = (await tiles.read(task)).image
        size = len(image.body)
        in_this_process = image.passed_through or work["dtype"] == "uint16"  # see encode.tile_image.is_quick
        return size, 0 if in_this_process else size

    return tile


async def opened_alone(job: JobFile, loaded: LoadedSource, options: Options, stack: AsyncExitStack) -> Done:
    """The reader alone."""
    reader = await open_reader(
        job, loaded, stack, timeout_s=options.read_timeout_s, cache_bytes=options.cache_bytes
    )

    async def done(task: TileTask | ChunkTask) -> tuple[int, int]:
        if isinstance(reader, TileReader):
            at = task.index
            source = await reader.read(TileIndex(at.x, at.y, at.z, at.t))
            return len(source) if isinstance(source, bytes) else source.nbytes, 0
        assert isinstance(task, ChunkTask)
        return (await reader.read(Box(task.origin_zyx, task.stop_zyx))).nbytes, 0

    return done


async def run(work: dict[str, Any], *, alone: bool) -> dict[str, float]:
    for library in ("blosc", "h5py", "imagecodecs", "tensorstore", "tifffile"):
        importlib.import_module(library)
    Image.init()
    keep_freed_memory()  # as the upload does
    job, options = job_of(work), Options()
    loaded, tasks = load_source(job), tasks_of(work)
    assert loaded.reader is not None
    cost = 3 * work["pixel_bytes"] // len(tasks)
    room = Room(memory_bytes=options.task_bytes, tasks=options.tasks_in_work(classic=False))

    read, cpu, start = read_bytes(), cpu_s(), time.perf_counter()
    async with AsyncExitStack() as stack:
        if alone:
            done = await opened_alone(job, loaded, options, stack)
        else:
            done = await opened(job, loaded, options, stack, work)

        async def one(task: TileTask | ChunkTask) -> tuple[int, int]:
            await room.enter(cost)
            try:
                return await done(task)
            finally:
                room.leave(cost)

        results = await asyncio.gather(*map(one, tasks))
        seconds, read = time.perf_counter() - start, read_bytes() - read
    uploaded, piped = map(sum, zip(*results, strict=True))
    return {"seconds": seconds, "cpu_s": cpu_s() - cpu, "read": read - piped, "uploaded": uploaded}


if __name__ == "__main__":
    told = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps(asyncio.run(run(told, alone="alone" in sys.argv[2:]))))
