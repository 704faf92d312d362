"""The kill tests: clients and the Boss die at every stage of a job, and every run ends with equal voxels.

`python -m tests.fault kill --runs 200 --seed 1`; one that goes wrong tells the seed that repeats it.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fault.kill_plan import BLOWS, Plan
from tests.fault.kill_run import Verdict, play
from tests.fault.table import Row
from tests.volumes import pattern, slices_source, zarr_source

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from tests.volumes import Source


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this part."""
    parser.add_argument("--runs", type=int, default=200, help="how many [default: 200]")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; the next has the next seed")
    parser.add_argument("--at-once", type=int, default=8, help="runs at a time: most of it is waiting")


async def run(arguments: argparse.Namespace) -> list[Row]:
    """Play the runs; one row for each kind of blow."""
    folder = Path(tempfile.mkdtemp(prefix="kill-"))
    sources = make_sources(folder)
    seats = asyncio.Semaphore(arguments.at_once)
    began_s = time.monotonic()

    async def one(seed: int) -> Verdict:
        async with seats:
            return await _told(Plan.of(seed), sources, folder / str(seed))

    seeds = range(arguments.seed, arguments.seed + arguments.runs)
    verdicts = await asyncio.gather(*map(one, seeds))
    if not any(verdict.problems for verdict in verdicts):
        shutil.rmtree(folder)
    return _rows(verdicts, time.monotonic() - began_s)


def make_sources(folder: Path) -> dict[str, Source]:
    """By the kind of job: 18 tiles, half of them less than whole; 12 chunks with 18 cuboids."""
    return {
        "tile": slices_source(folder / "slices", pattern((9, 512, 600)), 512),
        "volumetric": zarr_source(folder / "volume.zarr", pattern((40, 530, 1100)), (1024, 512, 16)),
    }


async def _told(plan: Plan, sources: Mapping[str, Source], folder: Path) -> Verdict:
    try:
        verdict = await play(plan, sources[plan.kind], folder)
    except Exception as error:  # noqa: BLE001 - of this run; the others are worth seeing all the same
        verdict = Verdict(plan, problems=[f"the test itself failed: {error!r}"])
    if verdict.problems:
        print(f"{plan}", *verdict.problems, sep="\n  ", flush=True)
        print(f"  all it left is in {folder}; again: python -m tests.fault kill --seed {plan.seed} --runs 1")
    else:
        shutil.rmtree(folder)
    return verdict


def _rows(verdicts: Sequence[Verdict], seconds: float) -> list[Row]:
    rows = []
    for blow in sorted({verdict.plan.blow for verdict in verdicts}, key=BLOWS.index):
        of_it = [verdict for verdict in verdicts if verdict.plan.blow is blow]
        bad = [verdict.plan.seed for verdict in of_it if verdict.problems]
        struck = sum(verdict.struck for verdict in of_it)
        note = f"{struck} struck, stages of a job: {len({verdict.plan.stage for verdict in of_it})}"
        rows.append(
            Row(
                name=f"kill: {blow}",
                runs=len(of_it),
                tasks=sum(verdict.tasks for verdict in of_it),
                lost_voxels=sum(verdict.lost_voxels for verdict in of_it),
                wrong_voxels=sum(verdict.wrong_voxels for verdict in of_it),
                set_aside=sum(verdict.set_aside for verdict in of_it),
                seconds=seconds * len(of_it) / len(verdicts),
                note=f"FAILED: seeds {bad}; {note}" if bad else note,
            )
        )
    return rows
