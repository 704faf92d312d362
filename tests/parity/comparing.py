"""Runs cases through the original, in its own interpreter, and through ours, and compares."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests import peers
from tests.parity import ours
from tests.parity.case import Case, Outcome
from tests.parity.table import Difference, Face, declared, differences

ROOT = Path(__file__).parents[2]
compared: set[tuple[str, str]] = set()
"""The classes and cases that were compared in this run."""

VENV = Path(os.environ.get("BOSS_INGEST_PARITY") or ROOT / ".venv-parity").absolute()


def interpreter() -> Path:
    """The side interpreter; skips the test when it is not there."""
    python = VENV / "bin" / "python"
    if not python.exists():
        pytest.skip(f"{python} is missing: `make parity` installs the original and what its plugins need")
    return python


async def run_original(
    cases: list[Case], folder: Path, env: Mapping[str, str] | None = None
) -> list[list[Outcome]]:
    """What the original makes of each case and index."""
    python, asked, answered = interpreter(), folder / "cases.json", folder / "results.npz"
    asked.write_text(json.dumps([case.for_original for case in cases]))
    driver = Path(__file__).parent / "original.py"
    await peers.run(python, "-W", "ignore", driver, asked, answered, env=dict(env or {}), cwd=folder)
    with np.load(answered) as results:
        told = json.loads(str(results["told"]))
        arrays = {key: results[key] for key in results.files if key != "told"}

    def outcome(key: str) -> Outcome:
        if key in arrays:
            return Outcome(arrays[key])
        return Outcome(error=told[key]["error"], text=told[key]["text"])

    grids = [range(len(case.indices)) for case in cases]
    return [[outcome(f"{number}/{at}") for at in grid] for number, grid in enumerate(grids)]


async def run_ours(cases: list[Case]) -> list[dict[Face, list[Outcome]]]:
    """What ours make of the same, by their faces."""
    made: list[dict[Face, list[Outcome]]] = []
    for case in cases:
        faces: dict[Face, list[Outcome]] = {"classic": await asyncio.to_thread(ours.classic, case)}
        if ours.reader_of(case) is not None:
            faces["reader"] = await ours.asynchronous(case)
        made.append(faces)
    return made


async def compare(cases: list[Case], folder: Path, env: Mapping[str, str] | None = None) -> None:
    """Fail unless the differences in these cases are just the rows of docs/differences.md about them."""
    names = [(case.processor, case.name) for case in cases]
    assert len(set(names)) == len(names), "two cases of one name"
    assert not compared.intersection(names), "another test has cases of the same names"
    found: dict[Difference, str] = {}
    both = await asyncio.gather(run_original(cases, folder, env), run_ours(cases))
    for case, original, faces in zip(cases, *both, strict=True):
        texts = "; ".join(
            dict.fromkeys(each.text for some in (original, *faces.values()) for each in some if each.text)
        )
        found |= dict.fromkeys(differences(case, original, faces), texts[:600])
    compared.update(names)
    rows = {each for each in declared() if (each.plugin, each.case) in names}
    missing, stale = sorted(found.keys() - rows), sorted(rows - found.keys())
    said = [f"no row in docs/differences.md:\n{each.row}\n    ({found[each]})" for each in missing]
    said += [f"a row without a difference:\n{each.row}" for each in stale]
    assert not said, "\n" + "\n".join(said)
