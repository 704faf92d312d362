# ruff: noqa: PLC0415 - each server process imports this file too, so what is heavy waits
"""`make bench`, `python -m benchmarks`: ours and its peers in turns, one table. See benchmarks/README.md."""

from __future__ import annotations

import argparse
import datetime
import os
import shlex
import signal
import sys
from pathlib import Path


def main() -> None:
    from benchmarks import alone, bench, table
    from benchmarks.clients import CLIENTS
    from benchmarks.schedule import DELAYS_MS, RUNS

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--only", default="a,b,c,d,e,f,g", help="workloads, such as a,f [default: all]")
    options.add_argument(
        "--latency", default=",".join(map(str, DELAYS_MS)), help="delays in ms, such as 0,40"
    )
    options.add_argument("--clients", default="", help="those with one of these in their names, split by ;")
    options.add_argument("--pairs", type=int, default=3, help="how often each client runs [default: 3]")
    options.add_argument("--scale", type=float, default=1.0, help="of the numbers of tasks [default: 1]")
    options.add_argument("--skip-alone", action="store_true", help="no start-up, memory and growth")
    options.add_argument("--results", type=Path, help="the file to write; else results/bench-<date>.md")
    given = options.parse_args()
    names = given.only.split(",")
    if unknown := set(names) - set("abcdefg"):
        options.error(f"there is no workload {', '.join(sorted(unknown))}")
    wanted = [part for part in given.clients.split(";") if part] or list(CLIENTS)
    asked = bench.Asked(
        workloads=[name for name in names if name != "g"],
        delays_ms=[int(delay) for delay in given.latency.split(",")],
        clients=lambda client: any(part in client for part in wanted),
        pairs=given.pairs,
        scale=given.scale,
        schedule=RUNS,
    )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends, and data goes
    began, load = datetime.datetime.now(datetime.UTC), os.getloadavg()
    found_alone = alone.Alone() if given.skip_alone else alone.measure(growth="g" in names, scale=given.scale)
    found = bench.run_all(asked)
    command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    text = table.report(found, found_alone, given.pairs, began, load, command)
    path = given.results or Path(__file__).parent / "results" / f"bench-{began:%Y-%m-%d}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
