"""Peak memory against `--memory`: chunks of 1024 × 1024 × 64 uint8 from Zarr, to a slow place that forgets.

`python -m benchmarks.memory --memory 256` (MiB): one line. The engine's own source, path and pipeline; what
it tells is the most that the process had in RAM above what it had with the source opened.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore

from boss_ingest.aws.bucket import Body, Stored, size_bytes
from boss_ingest.boss.keys import ChunkKey, CuboidKey, LookupIds, morton
from boss_ingest.config.extent import Extent, Span
from boss_ingest.config.loading import parse_job_file
from boss_ingest.encode.freed_memory import keep_freed_memory
from boss_ingest.engine.budget import Room
from boss_ingest.engine.ledger import Ledger
from boss_ingest.engine.limiter import PutLimiter
from boss_ingest.engine.open_source import open_chunks
from boss_ingest.engine.options import Options
from boss_ingest.engine.paths import ChunkPath, JobFacts
from boss_ingest.engine.pipeline import Pipeline
from boss_ingest.engine.read_ahead import ReadAhead
from boss_ingest.engine.retry import Retrier
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.store import Store
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.upload import _cost_bytes
from boss_ingest.errors import CredentialsError
from boss_ingest.plugins.loading import load_source
from tests.doubles.memory_queue import MemoryQueue
from tests.fault.soak_gauge import rss_bytes

IDS = LookupIds(4, 9, 27)
CHUNK_ZYX = (64, 1024, 1024)
MIB = 1 << 20


class SlowVoid:
    """A bucket that takes `put_s` for everything and keeps nothing."""

    def __init__(self, put_s: float) -> None:
        self._put_s = put_s

    async def put(self, key: str, body: Body, *, metadata: Mapping[str, str]) -> Stored:  # noqa: ARG002 - a bucket's
        await asyncio.sleep(self._put_s)
        return Stored(key, size_bytes(body), "etag")


def write_zarr(folder: Path, across: int) -> None:
    """A group with one array of noise, which nothing compresses, `across` chunks in x and y."""
    folder.mkdir()
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    z, y, x = CHUNK_ZYX
    spec = {
        "driver": "zarr",
        "kvstore": {"driver": "file", "path": str(folder / "em")},
        "metadata": {"chunks": [32, 256, 256], "compressor": None},
    }
    array = tensorstore.open(spec, create=True, dtype="uint8", shape=(z, y * across, x * across)).result()
    noise = np.random.default_rng(1).integers(0, 256, (z, y, x * across), np.uint8)
    for row in range(across):
        array[:, row * y : (row + 1) * y].write(noise).result()


def messages(across: int) -> Iterator[str]:
    """One for each chunk."""
    z, y, x = (size // unit for size, unit in zip(CHUNK_ZYX, (16, 512, 512), strict=True))
    for row in range(across):
        for column in range(across):
            cuboids = [
                {
                    "x": 512 * dx, "y": 512 * dy, "z": 16 * dz,
                    "key": CuboidKey(IDS, 0, 0, morton(column * x + dx, row * y + dy, dz)).encode(),
                }
                for dz in range(z) for dy in range(y) for dx in range(x)
            ]  # fmt: skip
            key = ChunkKey(1, IDS, 0, column, row, 0, 0).encode()
            yield json.dumps({"job_id": 7, "chunk_key": key, "cuboids": cuboids})


def job_of(folder: Path, across: int) -> dict[str, Any]:
    """The job file."""
    z, y, x = CHUNK_ZYX
    plugins = "boss_ingest.plugins.zarr"
    return {
        "schema": {"name": "boss-v0.2-schema", "validator": "BossValidatorV02"},
        "client": {
            "backend": {"name": "boss", "class": "BossBackend", "host": "127.0.0.1", "protocol": "http"},
            "path_processor": {"class": f"{plugins}.ZarrPathProcessor", "params": {}},
            "chunk_processor": {
                "class": f"{plugins}.ZarrChunkProcessor",
                "params": {"cloud_path": str(folder), "volume_name": "em"},
            },
        },
        "database": {"collection": "c", "experiment": "e", "channel": "ch"},
        "ingest_job": {
            "ingest_type": "volumetric",
            "resolution": 0,
            "extent": {"x": [0, x * across], "y": [0, y * across], "z": [0, z], "t": [0, 1]},
            "chunk_size": {"x": x, "y": y, "z": z},
        },
    }


@contextlib.asynccontextmanager
async def watched(peak: list[int]) -> AsyncIterator[None]:
    """Keep the most RSS seen in `peak[0]`, looked at every 5 ms."""

    async def watch() -> None:
        while True:
            peak[0] = max(peak[0], rss_bytes())
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    yield
    watching.cancel()


async def measure(folder: Path, *, memory_bytes: int, across: int, put_s: float) -> str:
    """One run, in words."""
    keep_freed_memory(memory_bytes)
    z, y, x = CHUNK_ZYX
    job = parse_job_file(job_of(folder, across), source=Path("memory.json"))
    loaded = load_source(job)
    options, tally = Options(memory_bytes=memory_bytes), Tally()
    retry = Retrier(renew=_renew, give_up_s=60.0, tally=tally, observe=lambda _: None)
    queue = MemoryQueue(supply=list(messages(across)))
    extent = Extent(Span(0, x * across), Span(0, y * across), Span(0, z), Span(0, 1))
    async with AsyncExitStack() as stack:
        source = await open_chunks(job, loaded, options, stack, datatype="uint8", channel_type="image")
        cost_bytes = _cost_bytes(job, "uint8", 1)
        room = Room(memory_bytes=options.task_bytes, tasks=options.tasks_in_work(classic=False))
        limiter = PutLimiter(options.concurrency)
        pipeline = Pipeline(
            queue,
            ChunkPath(
                JobFacts(7, extent, IDS, {}),
                CHUNK_ZYX,
                source=getattr(source, "source", source),
                ahead=ReadAhead(limiter),
                store=Store(SlowVoid(put_s), limiter, retry, tally),
                tally=tally,
                observe=lambda _: None,
                include_outside=False,
            ),
            cost_bytes=cost_bytes,
            room=room,
            retry=retry,
            options=options,
            tally=tally,
            ledger=Ledger(),
            observe=lambda _: None,
            stop=Stop(),
        )
        before = rss_bytes()
        peak = [before]
        async with watched(peak):
            await pipeline.run()
    assert tally.stored == across**2, tally
    used = peak[0] - before
    return (
        f"--memory {memory_bytes // MIB}M: {across**2} chunks, {room.capacity(cost_bytes)} at a time; before "
        f"{before // MIB} MiB, at most {used // MIB} MiB more: {used / memory_bytes:.2f} × --memory"
    )


async def _renew(error: CredentialsError) -> None:
    raise error


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--memory", type=int, default=256, help="MiB")
    parser.add_argument("--across", type=int, default=5, help="chunks in x and in y")
    parser.add_argument("--put-ms", type=float, default=200.0, help="what a PUT takes")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="memory-") as folder:
        write_zarr(Path(folder) / "volume", given.across)
        print(
            asyncio.run(
                measure(
                    Path(folder) / "volume",
                    memory_bytes=given.memory * MIB,
                    across=given.across,
                    put_s=given.put_ms / 1000,
                )
            )
        )


if __name__ == "__main__":
    main()
