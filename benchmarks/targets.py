"""The targets of "Faster than anything, and shown", each beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.alone import FEW, Alone
from benchmarks.bench import Found
from benchmarks.measuring import Figures
from benchmarks.startup import QUIET_S

MIB = 1 << 20
ORIGINALS = ("original -p 1", "original -p 2", "original -p 8")


@dataclass(frozen=True, slots=True)
class Target:
    """`met` is None where something it needs was not measured."""

    what: str
    wanted: str
    measured: str
    met: bool | None

    @property
    def cells(self) -> list[str]:
        verdict = {True: "met", False: "**not met**", None: "not measured"}[self.met]
        return [self.what, self.wanted, self.measured, verdict]


class Targets:
    """Reads them off the medians."""

    def __init__(self, found: Found, alone: Alone) -> None:
        self._found = found
        self._alone = alone

    def all(self) -> Iterator[Target]:
        yield self._rate("a", 40, ORIGINALS[:1], 80, "(a) tiles/s at 40 ms against the original's -p 1")
        yield self._rate("a", 0, ORIGINALS, 12, "(a) tiles/s at 0 ms against the original's best -p")
        yield self._cpu()
        for workload in "ad":
            for delay_ms in (0, 40):
                yield self._bare(workload, delay_ms)
        yield self._small()
        yield self._beside_aiobotocore()
        yield self._rate("d", 0, ORIGINALS, 3, "(d) source GB/s at 0 ms against the original's best -p")
        yield self._rate("d", 40, ORIGINALS, 15, "(d) source GB/s at 40 ms against the original's best -p")
        yield self._labels_wire()
        yield self._rate("e", 0, ORIGINALS, 2, "(e) source GB/s at 0 ms against the original's best -p")
        yield from (self._requests(workload, delay_ms) for workload in "af" for delay_ms in (0, 40))
        yield _most("peak memory above the start against --memory", 1.2, self._alone.memory, "×")
        yield self._flat()
        yield self._scaling()
        yield _most("boss-ingest --help", 0.15, self._alone.help_s, "s")
        yield from self._one_tile()

    def _of(self, workload: str, delay_ms: int, client: str) -> Figures | None:
        return self._found.median(workload, delay_ms, client)

    def _rate(
        self, workload: str, delay_ms: int, against: tuple[str, ...], least: float, what: str
    ) -> Target:
        ours = self._of(workload, delay_ms, "ours")
        theirs = {name: found for name in against if (found := self._of(workload, delay_ms, name))}
        if not ours or not theirs:
            return _unknown(what, f"≥ {least:g}×")
        best = max(theirs, key=lambda name: theirs[name].rate)
        ratio = ours.rate / theirs[best].rate
        return _least(what, least, ratio, "×", f"{ours.rate:.1f} to {theirs[best].rate:.2f}/s of {best}")

    def _cpu(self) -> Target:
        what = "(a) client CPU per tile against the original"
        ours, theirs = self._of("a", 0, "ours"), self._of("a", 0, ORIGINALS[0])
        if not ours or not theirs:
            return _unknown(what, "≤ 1/25")
        ratio = theirs.cpu_per_task_s / ours.cpu_per_task_s
        told = f"1/{ratio:.1f} ({1000 * ours.cpu_per_task_s:.2f} to {1000 * theirs.cpu_per_task_s:.1f} ms)"
        return Target(what, "≤ 1/25", told, ratio >= 25)

    def _bare(self, workload: str, delay_ms: int) -> Target:
        what = f"({workload}) bytes/s at {delay_ms} ms against the bare loop"
        ours, bare = self._of(workload, delay_ms, "ours"), self._of(workload, delay_ms, "bare loop")
        if not ours or not bare:
            return _unknown(what, "≥ 0.9")
        ours_s, bare_s = (each.wire_bytes / each.wall_s for each in (ours, bare))
        return _least(what, 0.9, ours_s / bare_s, "", f"{ours_s / 1e6:,.0f} to {bare_s / 1e6:,.0f} MB/s")

    def _small(self) -> Target:
        what = "(f) PUT/s on one core, the whole pipeline (tiles per client CPU second)"
        ours = self._of("f", 0, "ours")
        if not ours:
            return _unknown(what, "≥ 1500")
        return _least(what, 1500, 1 / ours.cpu_per_task_s, "/s", f"{ours.rate:,.0f}/s by the clock")

    def _beside_aiobotocore(self) -> Target:
        what = "(f) the same against stock aiobotocore's PUTs alone"
        ours, stock = self._of("f", 0, "ours"), self._of("f", 0, "aiobotocore")
        if not ours or not stock:
            return _unknown(what, "≥ 3×")
        told = f"{1 / stock.cpu_per_task_s:,.0f} PUT/s per CPU second"
        return _least(what, 3, stock.cpu_per_task_s / ours.cpu_per_task_s, "×", told)

    def _labels_wire(self) -> Target:
        what = "(e) bytes on the wire against the original"
        ours = self._of("e", 0, "ours")
        theirs = next((found for name in ORIGINALS if (found := self._of("e", 0, name))), None)
        if not ours or not theirs:
            return _unknown(what, "≤ 1/5")
        ratio = theirs.wire_bytes / theirs.tasks / (ours.wire_bytes / ours.tasks)
        return Target(what, "≤ 1/5", f"1/{ratio:.1f}", ratio >= 5)

    def _requests(self, workload: str, delay_ms: int) -> Target:
        what = f"({workload}) requests per tile at {delay_ms} ms"
        ours = self._of(workload, delay_ms, "ours")
        return _most(what, 1.35, (ours.puts + ours.sqs_calls) / ours.tasks if ours else None, "")

    def _flat(self) -> Target:
        what = "peak memory, from 10³ tasks to 10⁶"
        if not self._alone.growth:
            return _unknown(what, "flat: ≤ 1.2×")
        few, many = self._alone.growth
        ratio = (many["peak_bytes"] - many["harness_bytes"]) / few["peak_bytes"]
        told = f"{few['peak_bytes'] / MIB:.0f} to {many['peak_bytes'] / MIB:.0f} MiB RSS"
        if many["tasks"] < 1000 * FEW:
            told += f" at {many['tasks']:,.0f} tasks"
        return Target(what, "flat: ≤ 1.2×", f"{ratio:.2f}× ({told})", ratio <= 1.2)

    def _scaling(self) -> Target:
        what = "(a) tiles/s, --processes 1 → 2"
        one, two = self._of("a", 0, "ours"), self._of("a", 0, "ours, --processes 2")
        if not one or not two:
            return _unknown(what, "≥ 1.8×")
        told = "the sink and the Boss share the cores with them"
        return _least(what, 1.8, two.rate / one.rate, "×", told)

    def _one_tile(self) -> Iterator[Target]:
        found = self._alone.one_tile
        yield _most("first PUT after start", 1.0, found.first_put_s if found else None, "s")
        what = f"a job of one tile to its completion, without the server's wait of {QUIET_S} s"
        yield _most(what, 3.0, found.exit_s - QUIET_S if found else None, "s")


def _least(what: str, least: float, value: float, unit: str, told: str) -> Target:
    text = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    return Target(what, f"≥ {least:g}{unit}", f"{text}{unit} ({told})", value >= least)


def _most(what: str, most: float, value: float | None, unit: str) -> Target:
    unit = f" {unit}" if unit == "s" else unit
    if value is None:
        return _unknown(what, f"≤ {most:g}{unit}")
    return Target(what, f"≤ {most:g}{unit}", f"{value:.2f}{unit}", value <= most)


def _unknown(what: str, wanted: str) -> Target:
    return Target(what, wanted, "–", None)
