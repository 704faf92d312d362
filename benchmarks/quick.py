"""`make bench-quick`: ratios only, in less than three minutes; fails when one of them halves.

What the ratios are held to, and why: bounds.py.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import statistics
import sys
import time

from benchmarks import growth
from benchmarks.bench import Asked, Found, run_all
from benchmarks.bounds import BOUNDS
from benchmarks.clients import PEERS
from benchmarks.measuring import Figures
from benchmarks.page import table
from benchmarks.put_contenders import message_body
from benchmarks.schedule import QUICK
from benchmarks.table import found_failures

PAIRS = 3
PATIENCE_S = 90.0  # on a busy machine some pairs are left out
TASKS, ROUNDS = 5000, 40_000


def main() -> None:
    """Exits 1 when a ratio fell, or could not be measured."""
    if not PEERS.exists():
        sys.exit(f"{PEERS} is missing: `make peers` installs the original")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends, and data goes
    began_s = time.monotonic()
    ratios = {"engine: tasks ÷ rounds of a plain loop": _engine()}
    clients = {client for runs in QUICK.values() for each in runs.values() for client in each}
    found = run_all(Asked(list(QUICK), [0, 40], clients.__contains__, PAIRS, 1.0, QUICK, PATIENCE_S))
    ratios |= _ratios(found)
    rows = []
    for name, bound in BOUNDS.items():
        value = ratios.get(name)
        verdict = "not measured" if value is None else "ok" if bound.holds(value) else "FAILED"
        limit = f"{'≤' if bound.at_most else '≥'} {bound.bound:.3g}"
        rows.append([name, "–" if value is None else f"{value:.3g}", limit, f"{bound.usual:.3g}", verdict])
    print("\n".join(table(["ratio", "now", "bound", "usual", ""], rows)))
    for failure in found_failures(found):
        print(failure)
    print(f"{time.monotonic() - began_s:.0f} s")
    sys.exit(any(row[-1] != "ok" for row in rows))


def _ratios(found: Found) -> dict[str, float]:
    """Those whose rows ran."""
    ratios = {}

    def put(name: str, over: Figures | None, under: Figures | None) -> None:
        if over and under:
            ratios[name] = over.cpu_per_task_s / under.cpu_per_task_s

    for workload in QUICK:
        ours, original = (found.median(workload, 0, client) for client in ("ours", "original -p 1"))
        put(f"({workload}) CPU a task: bare loop ÷ ours", found.median(workload, 0, "bare loop"), ours)
        put(f"({workload}) CPU a task: original ÷ ours", original, ours)
        if ours:
            ratios[f"({workload}) requests a tile"] = (ours.puts + ours.sqs_calls) / ours.tasks
    put(
        "(f) CPU a task: stock aiobotocore's PUT ÷ ours",
        found.median("f", 0, "aiobotocore"),
        found.median("f", 0, "ours"),
    )
    ours, original = (found.median("a", 40, client) for client in ("ours", "original -p 1"))
    if ours and original:
        ratios["(a) tiles/s at 40 ms: ours ÷ original"] = ours.rate / original.rate
    return ratios


def _engine() -> float:
    """Tasks of the engine in memory by rounds of a plain loop, both by CPU second, in turns."""
    found = []
    for _ in range(PAIRS):
        rounds_s = _plain_loop()
        told = growth.main(TASKS)
        found.append(told["tasks"] / told["cpu_s"] * rounds_s / ROUNDS)
    return statistics.median(found)


def _plain_loop() -> float:
    """CPU seconds of so many messages parsed, looked up and written again by tasks that take turns."""

    async def work() -> None:
        numbers = itertools.count()
        seen: dict[str, int] = {}

        async def worker() -> None:
            while (number := next(numbers)) < ROUNDS:
                message = json.loads(message_body(number))
                seen[message["tile_key"]] = len(json.dumps(message))
                await asyncio.sleep(0)

        await asyncio.gather(*(worker() for _ in range(64)))

    began_s = time.process_time()
    asyncio.run(work())
    return time.process_time() - began_s


if __name__ == "__main__":
    main()
