"""The source of examples/intern.json and examples/intern-chunks.json: a channel in another Boss.

`make_intern` fills a local Boss with it, in demo-data/intern/boss. Serve that while the job files run:

    boss-ingest local serve --dir demo-data/intern/boss
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from boss_ingest.config.extent import Extent, Span
from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.settings import Settings

SHAPE_ZYX = (20, 600, 700)  # whole tiles and cuboids on no axis
TILE = 512
PORT = 8123
EXAMPLES = ("intern.json", "intern-chunks.json")
NAMES = {"collection": "lab", "experiment": "sample", "channel": "em"}


def make_intern(folder: Path) -> None:
    """Make a Boss in `folder`/boss that holds lab/sample/em."""
    slices = folder / "slices"
    slices.mkdir(parents=True)
    for z, image in enumerate(volume()):
        for y in range(0, SHAPE_ZYX[1], TILE):
            for x in range(0, SHAPE_ZYX[2], TILE):
                name = f"z{z:03}_y{y // TILE}_x{x // TILE}.png"
                Image.fromarray(image[y : y + TILE, x : x + TILE]).save(slices / name, compress_level=1)
    job = folder / "fill.json"
    job.write_text(json.dumps(job_file(slices)))
    asyncio.run(_fill(folder, job))


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """The source's Boss, while the job files read from it."""
    serve = [
        "local",
        "serve",
        "--dir",
        str(folder / "boss"),
        "--port",
        str(PORT),
        "--json",
        "--while-stdin-is-open",
    ]
    command = [sys.executable, "-m", "boss_ingest", *serve]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.stdin.close()


def volume() -> NDArray[np.uint8]:
    """Rings that grow with z; uint8, zyx."""
    z, y, x = np.ogrid[tuple(map(slice, SHAPE_ZYX))]
    rings = np.hypot(y - 300, x - 350) - 4 * z
    return (128 + 100 * np.sin(rings / 12)).astype(np.uint8)


def job_file(slices: Path) -> dict[str, Any]:
    """The job that fills the source's Boss, from a stack of images."""
    plugins = "boss_ingest.plugins.stack"
    names = {"root_dir": str(slices), "base_filename": "z<p:3>_y<y>_x<x>", "extension": "png"}
    z, y, x = SHAPE_ZYX
    return {
        "schema": {"name": "boss-v0.2-schema", "validator": "BossValidatorV02"},
        "client": {
            "backend": {"name": "boss", "class": "BossBackend", "host": "127.0.0.1", "protocol": "http"},
            "path_processor": {"class": f"{plugins}.ZindexStackPathProcessor", "params": names},
            "tile_processor": {"class": f"{plugins}.ZindexStackTileProcessor", "params": {}},
        },
        "database": NAMES,
        "ingest_job": {
            "ingest_type": "tile",
            "resolution": 0,
            "extent": {"x": [0, x], "y": [0, y], "z": [0, z], "t": [0, 1]},
            "tile_size": {"x": TILE, "y": TILE, "z": 1, "t": 1},
        },
    }


async def _fill(folder: Path, job: Path) -> None:
    z, y, x = SHAPE_ZYX
    async with LocalBoss(Settings(dir=folder / "boss", populate_s=0.0, quiet_period_s=0.1)) as boss:
        extent = Extent(x=Span(0, x), y=Span(0, y), z=Span(0, z), t=Span(0, 1))
        await boss.prepare(**NAMES, datatype="uint8", extent=extent)
        command = ["-m", "boss_ingest", "run", str(job), "--yes", "--progress", "none", "--host", boss.url]
        files = ["--token-file", str(folder / "boss/token.json"), "--log-file", str(folder / "fill.log")]
        process = await asyncio.create_subprocess_exec(sys.executable, *command, *files)
        if await process.wait():
            raise subprocess.CalledProcessError(process.returncode or 1, f"boss-ingest run {job}")
