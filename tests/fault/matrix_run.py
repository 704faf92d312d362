"""One run of one row of the matrix, and everything that must be true of it."""

from __future__ import annotations

import asyncio
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fault.matrix_checks import few_keys
from tests.fault.matrix_codes import CASES as CODES
from tests.fault.matrix_job import CASES as JOB
from tests.fault.matrix_keys import CASES as KEYS
from tests.fault.matrix_lies import CASES as LIES
from tests.fault.matrix_rig import Kind, Rig, open_rig, short_patience
from tests.fault.matrix_wire import CASES as WIRE

if TYPE_CHECKING:
    from tests.fault.ground import Run
    from tests.fault.matrix_case import Case

CASES: dict[str, Case] = {case.name: case for case in (*WIRE, *CODES, *LIES, *KEYS, *JOB)}

LONGEST_S = 120.0
"""A run that takes longer hangs, and fails."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one run ended; `wrong` says what of it was not as it had to be."""

    name: str
    kind: Kind
    seed: int
    tasks: int = 0
    lost_voxels: int = 0
    wrong_voxels: int = 0
    set_aside: int = 0
    seconds: float = 0.0
    wrong: str = ""


def run_alone(name: str, kind: Kind, seed: int) -> Result:
    """Run one row in a process of its own or a pool's."""
    began = time.monotonic()
    try:
        with short_patience():
            return asyncio.run(run_row(CASES[name], kind, seed))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the result
        seconds = time.monotonic() - began
        return Result(name, kind, seed, seconds=seconds, wrong=_told(error))


def _told(error: BaseException) -> str:
    """The innermost of what was raised, and where."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = f" at {last[0].filename}:{last[0].lineno}" if last else ""
    return f"{type(error).__name__}: {error}{where}"


async def run_row(case: Case, kind: Kind, seed: int) -> Result:
    """Ingest under the fault, and once more without it where that is needed; then look at everything."""
    began = time.monotonic()
    async with asyncio.timeout(LONGEST_S), open_rig(kind, seed, case.settings) as rig:
        runs = await _ingest(case, rig)
        wrong = _wrongs(case, rig, runs)
        ended = max(run.exit_code for run in runs)
        if ended != 0:
            rig.lift()
            wrong += await _finish(case, rig)
        for audit in rig.audits:
            wrong += [f"deleted but not stored: {body}" for body in audit.too_early[:1]]
        lost, different = await rig.voxels()
        if lost or different:
            wrong.append(f"{lost} voxels lost, {different} wrong")
    return Result(
        case.name,
        kind,
        seed,
        rig.tasks,
        lost,
        different,
        sum(len(run.tally.set_aside) for run in runs),
        time.monotonic() - began,
        "; ".join(wrong),
    )


async def _ingest(case: Case, rig: Rig) -> list[Run]:
    await rig.create()
    if (armed := case.arm(rig)) is not None:
        await armed
    return await asyncio.gather(*(rig.ingest(**case.options) for _ in range(case.runs)))


def _wrongs(case: Case, rig: Rig, runs: list[Run]) -> list[str]:
    """What is wrong after the first run."""
    wrong = [
        f"ended with {run.exit_code}, not {case.ends}: {run.error or run.outcome}"
        for run in runs
        if run.exit_code not in case.ends
    ]
    if not case.happened(rig):
        wrong.append("the fault never happened")
    for check in (case.also, few_keys):
        try:
            check(rig)
        except AssertionError as error:
            wrong.append(str(error))
    return wrong + _unaccounted(rig, runs)


def _unaccounted(rig: Rig, runs: list[Run]) -> list[str]:
    """Each task was deleted from the queue, once stored, or is still in it; and the client knows which."""
    deleted, left = len(set(rig.audit.deleted)), rig.left
    complete = all(run.exit_code == 0 for run in runs)
    wrong = []
    if (left is not None or complete) and deleted + (left or 0) != rig.tasks:
        wrong.append(f"{deleted} deleted + {left} left ≠ {rig.tasks} tasks")
    for run in runs:
        told = run.tally.stored + len(run.tally.set_aside)
        if run.exit_code == 3 and told < rig.tasks:
            wrong.append(
                f"{run.tally.stored} stored + {len(run.tally.set_aside)} set aside < {rig.tasks} tasks"
            )
    return wrong


async def _finish(case: Case, rig: Rig) -> list[str]:
    """Without the fault the job, or a new one, is done in the end."""
    if case.then == "new job":
        await rig.create()
    run = await rig.ingest()
    if run.exit_code == 0:
        return []
    return [f"the second run ended with {run.exit_code}: {run.error or run.outcome}"]
