"""What tests of layouts share: an example and the data made for it; a job, from its file to its voxels."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.volumes import Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from boss_ingest.local.boss import LocalBoss
    from tests.command import Ended, Machine

EXAMPLES = Path(__file__).parents[2] / "examples"


def example_data(name: str) -> Any:
    """The module examples/data/<name>.py, which makes data."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / "data" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def example(file: str, volume: NDArray[Any]) -> Source:
    """What an example job file is about, for a Boss of the test's own; its data holds `volume`."""
    job = json.loads((EXAMPLES / file).read_text())
    del job["client"]["backend"]
    return Source(volume, job["client"], job["ingest_job"])


async def ingest(
    source: Source, machine: Machine, boss: LocalBoss, channel: str = "ch", *, schema: str = "0.2"
) -> Ended:
    """Make the channel, run the job file, and compare every voxel."""
    await source.make_channel(boss, channel)
    config = source.write_job(machine.cwd / f"{channel}.json", boss, channel, schema=schema)
    ended = await machine.run("run", config, "--yes", "--workers", 1)
    assert ended.code == 0, ended.all
    await source.assert_stored(boss, channel)
    return ended
