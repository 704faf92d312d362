"""`python -m benchmarks.put`: what a PUT costs, ours and aiobotocore in turns, and the whole pipeline.

See benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.discard_sink import running_sink
from benchmarks.page import conditions, show, table
from benchmarks.put_contenders import (
    Load,
    Seconds,
    measure_aiobotocore,
    measure_ours,
    measure_pipeline,
    message_body,
)
from tests.contract.throwaway_tls import Certificates, certificates

SIZES = {65536: 1000, 262144: 1000, 2097152: 300}
"""PUTs of a run, by bytes of a body."""

CONTENDERS: dict[str, Callable[[Load], Seconds]] = {"aiobotocore": measure_aiobotocore, "ours": measure_ours}
LIBRARIES = ("aiohttp", "aiobotocore", "botocore", "awscrt", "yarl", "multidict")
HEAD = ["body", "client", "CPU s per 1000 PUTs", "PUTs per CPU s", "wall s per 1000", "MB/s"]
PIPELINE_HEAD = [
    "body",
    "CPU s per 1000 tiles",
    "tiles per CPU s",
    "wall s per 1000",
    "requests per tile",
    "entries per batch",
]


def in_a_fresh_process(measure: Callable[[Load], Seconds], load: Load) -> Seconds:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure, load).result()


def puts(repeats: int, concurrency: int, pem: Certificates | None) -> Iterable[list[str]]:
    with running_sink(certificate=pem) as sink:
        for size_bytes, count in SIZES.items():
            runs = defaultdict(list)
            for _ in range(repeats):
                for name, measure in CONTENDERS.items():
                    load = Load(sink.url, count, size_bytes, concurrency, pem.ca_bundle if pem else None)
                    runs[name].append(in_a_fresh_process(measure, load))
            for name, seconds in runs.items():
                cpu = statistics.median(one.cpu for one in seconds) / count
                wall = statistics.median(one.wall for one in seconds) / count
                yield [
                    f"{size_bytes // 1024} KiB",
                    name + (", TLS" if pem else ""),
                    f"{1000 * cpu:.2f}",
                    f"{1 / cpu:,.0f}",
                    f"{1000 * wall:.2f}",
                    f"{size_bytes / wall / 1e6:,.0f}",
                ]


def pipeline(repeats: int, concurrency: int, tiles: int) -> Iterable[list[str]]:
    for size_bytes in SIZES:
        runs, requests, fill = [], 0.0, ""
        count = tiles if size_bytes < 1 << 20 else tiles // 5
        for _ in range(repeats):
            with running_sink(count, message_body) as sink:
                load = Load(sink.url, count, size_bytes, concurrency)
                runs.append(in_a_fresh_process(measure_pipeline, load))
            requests = sink.calls.total() / count
            fill = ", ".join(f"{name} {sink.entries[name] / sink.calls[name]:.1f}" for name in sink.entries)
        cpu = statistics.median(one.cpu for one in runs) / count
        wall = statistics.median(one.wall for one in runs) / count
        yield [
            f"{size_bytes // 1024} KiB",
            f"{1000 * cpu:.2f}",
            f"{1 / cpu:,.0f}",
            f"{1000 * wall:.2f}",
            f"{requests:.2f}",
            fill,
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument(
        "--tiles", type=int, default=5000, help="of the pipeline's runs (a fifth from 1 MiB on)"
    )
    parser.add_argument("--write", action="store_true", help="into benchmarks/results")
    arguments = parser.parse_args()
    told = (
        f"{conditions(*LIBRARIES)} {arguments.concurrency} PUTs at once; medians of {arguments.repeats} runs "
        "in turns, each in a new process; the clients share the machine with the sink and with other work, "
        "so CPU seconds count."
    )
    lines = ["# PUTs into a sink on loopback", "", told, ""]
    with tempfile.TemporaryDirectory() as directory:
        rows = [*puts(arguments.repeats, arguments.concurrency, None)]
        rows += puts(arguments.repeats, arguments.concurrency, certificates(Path(directory)))
        lines += table(HEAD, rows)
    lines += ["", "## The whole pipeline: lease, PUT, index message, acknowledgement", ""]
    lines += table(PIPELINE_HEAD, pipeline(arguments.repeats, arguments.concurrency, arguments.tiles))
    show(lines, keep_as="put" if arguments.write else None)


if __name__ == "__main__":
    main()
