"""`boss-ingest local`: a Boss on this machine, for trying and learning."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from boss_ingest.cli.logs import start_log
from boss_ingest.cli.running import run_to_exit, say

if TYPE_CHECKING:
    from boss_ingest.engine.stop import Stop


@click.group()
def local() -> None:
    """Run a Boss on this machine, for trying, testing and learning."""


@local.command()
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path), required=True, help="Where it keeps its data."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8123, show_default=True, help="0 takes any free one."
)
@click.option(
    "--quiet-period",
    type=float,
    default=0.5,
    show_default=True,
    metavar="SECONDS",
    help="How long the queues must be quiet before a job completes; 180 in a real Boss.",
)
@click.option(
    "--populate-time",
    type=float,
    default=0.2,
    show_default=True,
    metavar="SECONDS",
    help="How long a new job takes to prepare; 120 and more in a real Boss.",
)
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as one JSON line.")
@click.option("--while-stdin-is-open", is_flag=True, hidden=True)
def serve(
    folder: Path,
    port: int,
    quiet_period: float,
    populate_time: float,
    as_json: bool,
    while_stdin_is_open: bool,
) -> None:
    """Serve until stopped. The token stands in DIR/token.json, the log in DIR/boss.log; loopback only."""

    async def work(stop: Stop) -> int:
        from boss_ingest.local.serve import serve as serve_local
        from boss_ingest.local.settings import Settings

        def ready(url: str) -> None:
            click.echo(json.dumps({"url": url, "dir": str(folder)}) if as_json else f"local Boss at {url}")
            if not as_json:
                say(f"token in {folder / 'token.json'}; Ctrl-C stops it, and the data stays in {folder}")
            sys.stdout.flush()

        start_log(folder / "boss.log", "info")
        settings = Settings(dir=folder, port=port, quiet_period_s=quiet_period, populate_s=populate_time)
        serving = asyncio.create_task(serve_local(settings, ready=ready))
        ends: list[asyncio.Task[bool]] = [asyncio.create_task(stop.draining.wait())]
        if while_stdin_is_open:
            ends.append(asyncio.create_task(_until_stdin_ends()))
        await asyncio.wait([serving, *ends], return_when=asyncio.FIRST_COMPLETED)
        for task in (serving, *ends):
            task.cancel()
        await asyncio.wait([serving])
        if not serving.cancelled():
            serving.result()
        return 0

    run_to_exit(work)


async def _until_stdin_ends() -> bool:
    """Returns when whoever started us is gone."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
    return True
