"""The matrix: every fault × tile and volumetric × seeds, in a few processes at a time.

python -m tests.fault matrix --seeds 3
python -m tests.fault matrix --only "SlowDown" --kind tile --seeds 1
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tests.fault.matrix_rig import KINDS, keep_sources_in
from tests.fault.matrix_run import CASES, Result, run_alone
from tests.fault.table import Row

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

_MOST_TOLD = 300
_LINE = "\r\033[K" if sys.stderr.isatty() else ""  # anew


def add_arguments(parser: ArgumentParser) -> None:
    """The options of this part."""
    parser.add_argument("--seeds", type=int, default=3, help="runs of each fault and kind")
    parser.add_argument("--seed", type=int, default=1, help="the first of them")
    parser.add_argument("--only", default="", help="faults whose name contains this")
    parser.add_argument("--kind", choices=KINDS, help="only this kind of job")
    parser.add_argument("--at-once", type=int, default=6, help="runs at a time, each in its process")


async def run(arguments: Namespace) -> list[Row]:
    """All of it; one row for each fault."""
    wanted = [case for case in CASES.values() if arguments.only.lower() in case.name.lower()]
    todo = [
        (case.name, kind, seed)
        for seed in range(arguments.seed, arguments.seed + arguments.seeds)
        for case, kind in itertools.product(wanted, KINDS)
        if kind in case.kinds and arguments.kind in (None, kind)
    ]
    spawn = multiprocessing.get_context("spawn")
    loop = asyncio.get_running_loop()
    results: list[Result] = []
    with (
        TemporaryDirectory(prefix="matrix-") as folder,
        ProcessPoolExecutor(arguments.at_once, spawn, _begin, (Path(folder),)) as pool,
    ):
        for done in asyncio.as_completed([loop.run_in_executor(pool, run_alone, *one) for one in todo]):
            results.append(await done)
            _say(results[-1], len(results), len(todo))
    rows = [_row(case.name, [one for one in results if one.name == case.name]) for case in wanted]
    return [row for row in rows if row.runs]


def _begin(folder: Path) -> None:
    """In each process, before its first run."""
    logging.disable()
    keep_sources_in(folder)


def _say(result: Result, done: int, of: int) -> None:
    if result.wrong:
        print(f"{_LINE}{result.name} ({result.kind}, seed {result.seed}): {result.wrong}", file=sys.stderr)
    if done % 20 == 0 or done == of or sys.stderr.isatty():
        end = "\n" if done == of or not sys.stderr.isatty() else ""
        print(f"{_LINE}matrix: {done} of {of} runs", end=end, file=sys.stderr, flush=True)


def _row(name: str, results: list[Result]) -> Row:
    wrongs = [f"{one.kind}, seed {one.seed}: {one.wrong}" for one in results if one.wrong]
    return Row(
        name,
        runs=len(results),
        tasks=sum(one.tasks for one in results),
        lost_voxels=sum(one.lost_voxels for one in results),
        wrong_voxels=sum(one.wrong_voxels for one in results),
        set_aside=sum(one.set_aside for one in results),
        seconds=sum(one.seconds for one in results),
        note=f"FAILED {len(wrongs)}: {wrongs[0][:_MOST_TOLD]}" if wrongs else "",
    )
