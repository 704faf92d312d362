"""`python -m benchmarks.growth TASKS`: the soak in memory, for (g) and the quick guard; prints JSON.

The engine's own pipeline on queues, bucket and source that are in this process: what is left is the engine.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys

from benchmarks.processes import peak_rss_bytes
from tests.fault.soak_gauge import rss_bytes
from tests.fault.soak_memory import MemorySoak, Mix

CALM = Mix(twice=0, put_fails=0, slow_down=0, index_fails=0, read_fails=0, unreadable=0)


def main(tasks: int) -> dict[str, float]:
    """No trouble is mixed in: retries would wait, and what counts here is the time a task costs."""
    start_bytes = rss_bytes()
    soak = MemorySoak(tasks, CALM)
    problems = asyncio.run(soak.run())
    if problems:
        sys.exit("; ".join(problems))
    first, last = soak.gauge.looks[0], soak.gauge.looks[-1]
    return {
        "tasks": tasks,
        "wall_s": last.at_s - first.at_s,
        "cpu_s": last.cpu_s - first.cpu_s,
        "start_bytes": start_bytes,
        "peak_bytes": peak_rss_bytes(os.getpid()),
        "harness_bytes": 3 * tasks,  # the soak's own books: three bytes a task
        "slowing": soak.gauge.slowing,
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
