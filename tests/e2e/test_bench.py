"""`make bench` keeps working while what it measures changes: a tiny run of it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT_S = 300.0


async def test_the_bench_measures_a_job_and_a_bare_loop_beside_it(tmp_path: Path) -> None:
    results = tmp_path / "bench.md"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks", "--only", "f", "--latency", "0", "--pairs", "1",
        "--scale", "0.01", "--clients", "ours;bare loop", "--skip-alone", "--results", results,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(LIMIT_S):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
    rows = [line.split(" | ") for line in results.read_text().splitlines() if line.startswith("| (f) | 0 |")]
    clients = {row[2]: row for row in rows}
    assert set(clients) == {"ours", "bare loop"}, said.decode()
    assert clients["ours"][3] == "50"
    assert 1.0 < float(clients["ours"][9]) < 4.0, "a PUT a tile, and SQS in batches"
    assert float(clients["bare loop"][9]) == 1.0
