"""Which faults are still to happen: a script that is asked for each request, with seeded dice."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.fault.proxy_faults import Bandwidth, Besides, Latency, Tell

if TYPE_CHECKING:
    from tests.fault.proxy_faults import Fault, On, Seen


@dataclass(slots=True)
class Happening:
    """What happens to one request: at most one fault, and what happens besides."""

    fault: Fault | None = None
    latency_s: float = 0.0
    bytes_per_s: float | None = None
    tells: list[Tell] = field(default_factory=list)

    @property
    def is_any(self) -> bool:
        return self != Happening()

    def to_tell(self, moment: str) -> list[Tell]:
        return [tell for tell in self.tells if tell.moment == moment]


@dataclass(slots=True)
class _Line:
    on: On
    fault: Fault
    left: int | None
    after: int
    chance: float

    def fits(self, seen: Seen) -> bool:
        if callable(self.on):
            return bool(self.on(seen))
        operation = seen.operation
        return self.on in ("", operation) or (self.on.endswith(".") and operation.startswith(self.on))


class Script:
    """The lines of what is to happen, first added first."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._lines: list[_Line] = []

    def add(self, on: On, fault: Fault, *, times: int | None, after: int, chance: float) -> None:
        self._lines.append(_Line(on, fault, times, after, chance))

    def clear(self) -> None:
        self._lines.clear()

    def take(self, seen: Seen) -> Happening:
        """What happens to this request; counts down the lines that it uses."""
        happening = Happening()
        for line in list(self._lines):
            besides = isinstance(line.fault, Besides)
            if (not besides and happening.fault is not None) or not self._applies(line, seen):
                continue
            match line.fault:
                case Latency(seconds, jitter_s):
                    happening.latency_s += seconds + self._dice.uniform(0.0, jitter_s)
                case Bandwidth(bytes_per_s):
                    happening.bytes_per_s = min(bytes_per_s, happening.bytes_per_s or float("inf"))
                case Tell():
                    happening.tells.append(line.fault)
                case fault:
                    happening.fault = fault
        return happening

    def _applies(self, line: _Line, seen: Seen) -> bool:
        if not line.fits(seen):
            return False
        if line.after > 0:
            line.after -= 1
            return False
        if line.chance < 1.0 and self._dice.random() >= line.chance:
            return False
        if line.left is not None:
            line.left -= 1
            if line.left <= 0:
                self._lines.remove(line)
        return True
