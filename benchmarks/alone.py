"""What is measured of ours alone: start-up, peak memory against --memory, and growth with the tasks (g)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks import startup
from benchmarks.processes import ROOT, RunError

_LIMIT_S = 600.0
MEMORY_MIB = 256
FEW, MANY = 1_000, 1_000_000


@dataclass(slots=True)
class Alone:
    """None is not measured; `failed` says why."""

    help_s: float | None = None
    one_tile: startup.OneTile | None = None
    memory: float | None = None  # peak above the start, in --memory
    growth: tuple[dict[str, float], dict[str, float]] | None = None
    failed: dict[str, str] = field(default_factory=dict)


def measure(*, growth: bool, scale: float) -> Alone:
    found = Alone()

    def start() -> None:
        found.help_s, found.one_tile = startup.measure(5)

    def memory() -> None:
        said = _said("benchmarks.memory", "--memory", str(MEMORY_MIB))
        found.memory = float(re.findall(r"([\d.]+) × --memory", said)[-1])

    def grow() -> None:
        few, many = (json.loads(_said("benchmarks.growth", str(n))) for n in (FEW, int(MANY * scale)))
        found.growth = few, many

    parts: dict[str, Callable[[], None]] = {"start-up": start, "memory": memory}
    if growth:
        parts["growth"] = grow
    for name, part in parts.items():
        print(f"{name} …", file=sys.stderr, flush=True)
        try:
            part()
        except (RunError, TimeoutError, IndexError) as error:
            found.failed[name] = f"{error!r}"
            print(f"{name}: {error!r}", file=sys.stderr, flush=True)
    return found


def _said(*words: str) -> str:
    """What a module of ours prints last."""
    command: list[Any] = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if done.returncode:
        raise RunError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr[-1500:]}")
    return done.stdout.strip().splitlines()[-1]
