"""`python -m benchmarks.fleet`: what a second uploading process brings (`--processes`), on tiles of 64 KiB.

The real uploader, from lease to acknowledgement, into a sink that keeps nothing; see benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import multiprocessing
import os
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import SecretStr

from benchmarks.discard_sink import running_sink
from benchmarks.page import conditions, show, table
from benchmarks.processes import cpu_seconds
from benchmarks.put_contenders import message_body
from boss_ingest.aws.keys import Keys
from boss_ingest.boss.jobs import Job, JobState, Joined
from boss_ingest.config.job_file import JobFile
from boss_ingest.engine.options import PUTS, Options
from boss_ingest.engine.pipeline import End
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.upload import Work
from boss_ingest.engine.uploader import Access, open_uploader
from boss_ingest.plugins.loading import load_source
from boss_ingest.plugins.reader import Setup, SourceInfo, TileIndex, TileReader
from tests.job_files import tile_job, write

SIDE = 256  # pixels: noise of 64 KiB
HEAD = ["processes", "tiles/s", "×", "CPU ms per tile", "the parent's", "tiles per CPU s", "requests a tile"]


class SameTile(TileReader):
    """Has every tile at hand: an image that fits, and is stored as it is."""

    async def open(self, _setup: Setup) -> None:
        image = io.BytesIO()
        noise = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE), np.uint8)
        Image.fromarray(noise).save(image, "PNG", compress_level=1)
        self._body = image.getvalue()

    async def read(self, _index: TileIndex) -> bytes:
        return self._body

    async def describe(self) -> SourceInfo:
        return SourceInfo("uint8", None, "memory")

    async def close(self) -> None:
        """Nothing to let go of."""

    def locate(self, index: TileIndex) -> str:
        return f"tile {index.z}"


@dataclass(frozen=True, slots=True)
class Load:
    """So many tiles by so many processes, to the sink at `url`, which has that many messages."""

    url: str
    tiles: int
    processes: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Seconds:
    """Of the work alone: all is started before, and ends after. CPU of parent and children."""

    wall: float
    cpu: float
    parent_cpu: float
    requests: int = 0


def measure(load: Load) -> Seconds:
    """Upload them all; runs in a process of its own."""
    return asyncio.run(_measure(load))


async def _measure(load: Load) -> Seconds:
    job = JobFile.read(_job_file(load.tiles), source=Path("job.json"))
    options = Options(concurrency=load.concurrency * load.processes, processes=load.processes)
    tally = Tally(total=load.tiles)
    work = Work(job, load_source(job), options, tally, lambda _event: None, Stop())
    async with open_uploader(work, _joined(load), _issue, Access(None, allow_http=True)) as uploader:
        cpu, parent_cpu, began_s = _cpu_s(), time.process_time(), time.perf_counter()
        end = await uploader.run()
        wall = time.perf_counter() - began_s
        cpu, parent_cpu = _cpu_s() - cpu, time.process_time() - parent_cpu
    assert end is End.DRAINED
    assert tally.stored == load.tiles
    return Seconds(wall, cpu, parent_cpu if load.processes > 1 else 0.0)


def _cpu_s() -> float:
    """User and system of this process and all below it."""
    pids = [os.getpid()]
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            pids += map(int, (thread / "children").read_text().split())
    return sum(map(cpu_seconds, pids))


def _job_file(tiles: int) -> dict[str, object]:
    job = write(tile_job(), "client.tile_processor", {"class": f"{__spec__.name}.SameTile", "params": {}})
    job["ingest_job"]["extent"] = {"x": [0, SIDE], "y": [0, SIDE], "z": [0, tiles], "t": [0, 1]}
    job["ingest_job"]["tile_size"] = {"x": SIDE, "y": SIDE, "z": 1, "t": 1}
    return job


def _joined(load: Load) -> Joined:
    queues = {f"{name}_queue": f"{load.url}/1/{name}" for name in ("upload", "ingest", "tile_index")}
    job = Job(7, "col", "exp", "ch", JobState.UPLOADING, "tile", tile_count=load.tiles, **queues)
    settings = {"KVIO_SETTINGS": "k" * 200, "STATEIO_CONFIG": "s" * 100, "OBJECTIO_CONFIG": "o" * 300}
    channel = {"datatype": "uint8", "type": "image"}
    resource = {"lookup_key": "4&9&27", "channel": channel}
    return Joined(job, tile_bucket="tiles", settings={**settings, "resource": resource})


async def _issue() -> Keys:
    return Keys("AKIA" + "X" * 16, SecretStr("s" * 40), SecretStr("t" * 400))


def run(tiles: int, processes: int, concurrency: int) -> Seconds:
    """One run, in a fresh process with a fresh sink."""
    context = multiprocessing.get_context("spawn")
    with running_sink(tiles, message_body) as sink, ProcessPoolExecutor(1, mp_context=context) as pool:
        seconds = pool.submit(measure, Load(sink.url, tiles, processes, concurrency)).result()
    return replace(seconds, requests=sink.calls.total())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiles", type=int, default=20000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--concurrency", type=int, default=PUTS, help="of each process")
    parser.add_argument("--write", action="store_true", help="into benchmarks/results")
    arguments = parser.parse_args()
    told = (
        f"{conditions()} {arguments.tiles:,} tiles of 64 KiB, {arguments.concurrency} PUTs at once a "
        f"process; {arguments.pairs} runs of each in turns, each with new processes and a new sink, medians. "
        "The sink is one more process on the same cores."
    )
    runs: dict[int, list[Seconds]] = {processes: [] for processes in arguments.processes}
    for _ in range(arguments.pairs):
        for processes, seconds in runs.items():
            seconds.append(run(arguments.tiles, processes, arguments.concurrency))
    first = runs[arguments.processes[0]]
    rows = []
    for processes, seconds in runs.items():
        wall, cpu, parent_cpu = (
            statistics.median(getattr(one, name) for one in seconds) / arguments.tiles
            for name in ("wall", "cpu", "parent_cpu")
        )
        requests = statistics.median(one.requests for one in seconds) / arguments.tiles
        times = statistics.median(one.wall / more.wall for one, more in zip(first, seconds, strict=True))
        rows.append(
            [
                str(processes),
                f"{1 / wall:,.0f}",
                f"{times:.2f}",
                f"{1000 * cpu:.2f}",
                f"{1000 * parent_cpu:.3f}",
                f"{1 / cpu:,.0f}",
                f"{requests:.2f}",
            ]
        )
    lines = ["# Uploading processes side by side", "", told, "", *table(HEAD, rows)]
    show(lines, keep_as="processes" if arguments.write else None)


if __name__ == "__main__":
    main()
