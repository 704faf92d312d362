"""`make examples`: makes the data of every example, runs each job file as it is, and compares the voxels.

Each file in examples/data/ makes the sources of the job files it names in EXAMPLES, below demo-data/, and
knows what they hold. Every job goes into a local Boss of its own, below demo-data/bosses/.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import blosc
import numpy as np
from numpy.typing import NDArray

from boss_ingest.boss.client import BossClient
from boss_ingest.cli.local_process import local_boss
from boss_ingest.config.extent import Extent, Span

EXAMPLES = Path("examples")
FOLDER = Path("demo-data")
ENVIRONMENT = os.environ | {"BOSS_INGEST_HOME": str(FOLDER / "home")}


def main() -> None:
    """All examples, or those whose data modules are named; exit 1 when one of them fails."""
    wanted = sys.argv[1:] or sorted(path.stem for path in (EXAMPLES / "data").glob("*.py"))
    failed = 0
    for name in wanted:
        module = load(name)
        folder = FOLDER / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        getattr(module, f"make_{name}")(folder)
        serving = module.serving(folder) if hasattr(module, "serving") else nullcontext()
        with serving:
            for example in module.EXAMPLES:
                failed += not run(example, module)
    print(f"\n{failed} failed" if failed else "\nall of them work")
    sys.exit(bool(failed))


def load(name: str) -> ModuleType:
    """The file examples/data/<name>.py."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / "data" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run(example: str, module: ModuleType) -> bool:
    """Run one job file; says in a line how it went."""
    boss_dir = FOLDER / "bosses" / Path(example).stem
    shutil.rmtree(boss_dir, ignore_errors=True)
    began_s = time.monotonic()
    command = ["run", str(EXAMPLES / example), "--yes", "--local", str(boss_dir), "--progress", "none"]
    done = subprocess.run(
        [sys.executable, "-m", "boss_ingest", *command],
        check=False,
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    if done.returncode:
        print(f"{example:<28} exit code {done.returncode}\n{done.stdout}{done.stderr}", flush=True)
        return False
    job = json.loads((EXAMPLES / example).read_text(encoding="utf-8"))
    expected = module.expected(example) if hasattr(module, "expected") else module.volume()
    stored = asyncio.run(read_back(boss_dir, job, expected))
    wrong = int((stored != expected).sum())
    took_s = time.monotonic() - began_s
    print(f"{example:<28} {expected.size:>12,} voxels, {wrong} differ, {took_s:.1f} s", flush=True)
    return wrong == 0


async def read_back(
    boss_dir: Path, job: dict[str, dict[str, str]], expected: NDArray[np.generic]
) -> NDArray[np.generic]:
    """What the Boss holds where the job put its voxels; zyx, or tzyx when that is what is expected."""
    names = job["database"]
    spans = {axis: Span(*span) for axis, span in dict(job["ingest_job"]["extent"]).items()}
    async with local_boss(boss_dir) as running, BossClient(running.url, running.token) as boss:
        buffer = await boss.cutout(
            names["collection"],
            names["experiment"],
            names["channel"],
            resolution=int(job["ingest_job"]["resolution"]),
            extent=Extent(**spans),
        )
    return np.frombuffer(blosc.decompress(buffer), expected.dtype).reshape(expected.shape)


if __name__ == "__main__":
    main()
