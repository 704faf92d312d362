"""cloud-volume's own files into the local Boss: the example job file as it is."""

from __future__ import annotations

import asyncio
import importlib.util
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.layouts import EXAMPLES, example, ingest

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine

MAKE = """
import runpy, sys
from pathlib import Path
import numpy as np
data = runpy.run_path(sys.argv[1])
data["make_cloudvolume"](Path("demo-data/cloudvolume"))
np.save("expected.npy", data["volume"]())
"""


async def test_the_example_runs_on_the_data_made_for_it(machine: Machine, boss: LocalBoss) -> None:
    import numpy as np

    if importlib.util.find_spec("cloudvolume") is None:
        pytest.skip("needs boss-ingest[cloudvolume]")
    await asyncio.to_thread(  # its warnings are its own
        subprocess.run,
        [sys.executable, "-c", MAKE, str(EXAMPLES / "data/cloudvolume.py")],
        cwd=machine.cwd,
        check=True,
    )
    volume = np.load(machine.cwd / "expected.npy")
    await ingest(example("cloudvolume.json", volume), machine, boss)
