"""How long a user waits when there is next to nothing to do: `--help`, the first PUT, a job of one tile."""

from __future__ import annotations

import asyncio
import compileall
import json
import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import boss_ingest
from benchmarks.bench import scratch
from benchmarks.clients import OURS
from benchmarks.processes import RunError
from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.faults import Call
from boss_ingest.local.settings import Settings
from tests.local_jobs import NAMES, job_file

PROGRAM = OURS / "boss-ingest"
LIMIT_S = 60.0
QUIET_S = 0.5
"""The server's own wait: it looks at the queues twice, so long apart, before it completes a job."""


@dataclass(frozen=True, slots=True)
class OneTile:
    """Seconds from the start of the command."""

    first_put_s: float
    exit_s: float


def measure(repeats: int) -> tuple[float, OneTile]:
    """Seconds of `--help`; and of a job of one tile, to COMPLETE, with a Boss that prepares it at once."""
    # As pip does when it installs: else it is the compiler that is measured where none may be written.
    compileall.compile_dir(Path(boss_ingest.__file__).parent, quiet=2)
    with scratch() as folder:
        helps = [_help_s(folder) for _ in range(repeats)]
        runs = []
        for n in range(repeats):
            (folder / str(n)).mkdir()
            runs.append(asyncio.run(_one_tile(folder / str(n))))
    return statistics.median(helps), OneTile(
        statistics.median(run.first_put_s for run in runs), statistics.median(run.exit_s for run in runs)
    )


def _help_s(folder: Path) -> float:
    began_s = time.monotonic()
    # Not Popen.wait with a limit: it looks every 50 ms.
    subprocess.run([PROGRAM, "--help"], cwd=folder, capture_output=True, timeout=LIMIT_S, check=True)
    return time.monotonic() - began_s


async def _one_tile(folder: Path) -> OneTile:
    puts: list[float] = []

    def seen(_: Call) -> bool:
        puts.append(time.monotonic())
        return False

    async with LocalBoss(Settings(dir=folder / "boss", populate_s=0.0, quiet_period_s=QUIET_S)) as boss:
        await boss.prepare(**NAMES, datatype="uint8", extent={"x": [0, 512], "y": [0, 512], "z": [0, 1]})
        take = boss.faults.take
        boss.faults.take = lambda call: (call.operation == "s3.PutObject" and seen(call)) or take(call)  # type: ignore[method-assign]
        job = _job(folder, boss.url)
        began_s = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            PROGRAM, "run", job, "--yes", "--progress", "none", "--api-token", boss.token,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(LIMIT_S):
            said, _ = await process.communicate()
        exit_s = time.monotonic() - began_s
    if process.returncode or not puts:
        raise RunError(f"the job of one tile ended with {process.returncode}: {said.decode()[-1500:]}")
    return OneTile(puts[0] - began_s, exit_s)


def _job(folder: Path, url: str) -> Path:
    image = np.random.default_rng(1).integers(0, 256, (512, 512), np.uint8)
    Image.fromarray(image).save(folder / "z0.png")
    job = job_file(tile=(512, 512), x=[0, 512], y=[0, 512], z=[0, 1])
    stack = "boss_ingest.plugins.stack.ZindexStack"
    job["client"]["backend"] |= {"host": url.removeprefix("http://")}
    job["client"]["path_processor"] = {
        "class": f"{stack}PathProcessor",
        "params": {"root_dir": str(folder), "base_filename": "z<>", "extension": "png"},
    }
    job["client"]["tile_processor"] = {"class": f"{stack}TileProcessor", "params": {}}
    path = folder / "job.json"
    path.write_text(json.dumps(job))
    return path
