"""The soak over HTTP: small tiles by the hundred thousand through the whole client, to a local Boss.

`python -m tests.fault.soak_boss DIR` is that Boss: it serves until its standard input ends, and then tells
what it has. It loses all index messages, for cutting so many tiles into cuboids would be its work, not ours.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from pydantic import SecretStr

from boss_ingest.boss.client import BossClient
from boss_ingest.config.loading import parse_job_file
from boss_ingest.config.server_form import server_form
from boss_ingest.engine import events
from boss_ingest.engine.life import ingest
from boss_ingest.engine.options import Options
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.upload import Work
from boss_ingest.errors import SourceError
from boss_ingest.plugins.loading import load_source
from boss_ingest.plugins.reader import Setup, SourceInfo, TileIndex, TileReader
from tests.fault.soak_gauge import Gauge
from tests.local_jobs import NAMES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TILE = 64  # rows and columns
_READY_S = 300.0
_COUNTED_S = 300.0
_LOOK_S = 0.1
_NEVER = 9973  # every so many-th slice cannot be read


class SoakTiles(TileReader):
    """A small image of every tile, as long as it is not one of those that never can be read."""

    async def open(self, setup: Setup) -> None:
        buffer = io.BytesIO()
        Image.fromarray(np.arange(TILE * TILE, dtype=np.uint8).reshape(TILE, TILE)).save(buffer, "PNG")
        self._image = buffer.getvalue()

    async def read(self, index: TileIndex) -> bytes:
        if index.z % _NEVER == _NEVER - 1:
            raise SourceError(f"slice {index.z} cannot be read")
        return self._image

    async def describe(self) -> SourceInfo:
        return SourceInfo("uint8", None, "memory")

    async def close(self) -> None:
        pass

    def locate(self, index: TileIndex) -> str:
        return f"slice {index.z}"


class BossSoak:
    """One client, the real one, in this process; `run()` works on `tasks` slices of one tile each."""

    def __init__(self, tasks: int) -> None:
        self.tasks = tasks
        self.gauge = Gauge(tasks)
        self.tally = Tally()
        self.lost = 0  # neither stored nor left in the queue

    async def run(self) -> list[str]:
        """Work until there is nothing left; what went wrong, in words."""
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            async with _boss(Path(folder), self.tasks) as boss:
                left = await self._upload(boss)
                found = await boss.count()
        self.lost = max(0, self.tasks - found["left"] - found["objects"])
        problems = [f"{self.lost} tiles are lost"] if self.lost else []
        if self.tally.stored != found["objects"]:
            problems.append(f"{self.tally.stored} are said to be stored, {found['objects']} are")
        if len(self.tally.set_aside) != self.tasks // _NEVER:
            problems.append(f"{len(self.tally.set_aside)} were set aside")
        if found["left"] != len(self.tally.set_aside):
            problems.append(f"{found['left']} messages are left in the queue")
        return problems + left

    async def _upload(self, boss: _Boss) -> list[str]:
        job = parse_job_file(_job(boss.url, self.tasks), source=Path("soak.json"))
        work = Work(
            job, load_source(job), Options(workers=1, manual_complete=True), self.tally, _unheard, Stop()
        )
        async with BossClient(boss.url, SecretStr(boss.token)) as client:
            job_id = (await client.create(server_form(job))).id
            watching = asyncio.create_task(self._watch())
            outcome = await ingest(work, client, job_id)
            watching.cancel()
        self.gauge.see(self.tasks)
        return [] if outcome.exit_code in {0, 3} else [outcome.why]

    async def _watch(self) -> None:
        while True:
            if self.tally.stored or not self.gauge.looks:
                self.gauge.see(self.tally.stored)
            await asyncio.sleep(_LOOK_S)


def _unheard(_: events.Event) -> None: ...


def _job(url: str, slices: int) -> dict[str, Any]:
    protocol, _, host = url.partition("://")
    return {
        "schema": {"name": "boss-v0.2-schema", "validator": "BossValidatorV02"},
        "client": {
            "backend": {"name": "boss", "class": "BossBackend", "host": host, "protocol": protocol},
            "tile_processor": {"class": f"{SoakTiles.__module__}.{SoakTiles.__name__}", "params": {}},
        },
        "database": NAMES,
        "ingest_job": {
            "ingest_type": "tile",
            "resolution": 0,
            "extent": {"x": [0, TILE], "y": [0, TILE], "z": [0, slices], "t": [0, 1]},
            "tile_size": {"x": TILE, "y": TILE, "z": 1, "t": 1},
        },
    }


class _Boss:
    """The process, seen from here."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.url = self.token = ""

    async def hear(self, limit_s: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        heard: dict[str, Any] = json.loads(await asyncio.wait_for(self._process.stdout.readline(), limit_s))
        return heard

    async def count(self) -> dict[str, int]:
        """What it has; it ends then."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await self.hear(_COUNTED_S)


@asynccontextmanager
async def _boss(folder: Path, slices: int) -> AsyncIterator[_Boss]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fault.soak_boss", folder, str(slices),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    boss = _Boss(process)
    try:
        said = await boss.hear(_READY_S)
        boss.url, boss.token = said["url"], said["token"]
        yield boss
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _serve(folder: Path, slices: int) -> None:
    from boss_ingest.local.boss import LocalBoss
    from boss_ingest.local.settings import TILE_BUCKET, Settings

    settings = Settings(dir=folder, populate_s=0.0, lost_index_rate=1.0, duplicate_rate=0.005)
    extent = {"x": [0, TILE], "y": [0, TILE], "z": [0, slices]}
    async with LocalBoss(settings) as boss:
        await boss.prepare(**NAMES, datatype="uint8", extent=extent)
        print(json.dumps({"url": boss.url, "token": boss.token}), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        objects = sum(1 for _ in boss.objects(TILE_BUCKET))
        depth = boss.queue_depth("local-boss-upload-1")
        print(json.dumps({"objects": objects, "left": depth.visible + depth.in_flight + depth.delayed}))


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
