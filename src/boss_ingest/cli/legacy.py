"""The command line of boss-ingest 0.x, `boss-ingest CONFIG [-j N] [-c] …`, put into today's words."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from boss_ingest.cli.cancel import cancel
from boss_ingest.cli.join import join
from boss_ingest.cli.logs import LEVELS
from boss_ingest.cli.run import run
from boss_ingest.cli.running import say


@click.command(hidden=True)
@click.argument("config", type=click.Path(path_type=Path), required=False)
@click.option("--api-token", "-a")
@click.option("--job-id", "-j", type=int)
@click.option("--log-file", "-l", type=click.Path(path_type=Path))
@click.option("--log-level", "-v", type=click.Choice(LEVELS, case_sensitive=False), default="warning")
@click.option("--cancel", "-c", "cancelling", is_flag=True)
@click.option("--force", "-f", is_flag=True)
@click.option("--manual-complete", "-m", is_flag=True)
@click.option("--processes_nb", "--processes-nb", "-p", type=click.IntRange(1, 256))
@click.option("--ramp_seconds", "--ramp-seconds", "-r", type=int)
@click.pass_context
def legacy(
    ctx: click.Context,
    config: Path | None,
    api_token: str | None,
    job_id: int | None,
    log_file: Path | None,
    log_level: str,
    cancelling: bool,
    force: bool,
    manual_complete: bool,
    processes_nb: int | None,
    ramp_seconds: int | None,
) -> None:
    """Run the command that the old form means, and say which one that is."""
    if ramp_seconds is not None:
        say("note: -r has no use any more: one process does the work of many, and starts at once")
    secret = [("--api-token", api_token)]
    log = [("--log-file", log_file), ("--log-level", log_level)]
    workers = [("--workers", processes_nb), ("--manual-complete", manual_complete)]
    if cancelling:
        if job_id is None:
            raise click.UsageError("--cancel needs --job-id")
        args = ["--job-id", str(job_id), *_flags(("--yes", force))]
        args += _host(config)
        _go(ctx, cancel, args, _flags(*secret))
    elif job_id is not None:
        args = [*([str(config)] if config else []), "--job-id", str(job_id), *_flags(*workers, *log)]
        _go(ctx, join, args, _flags(*secret))
    elif config is not None:
        _go(ctx, run, [str(config), *_flags(("--yes", force), *workers, *log)], _flags(*secret))
    else:
        raise click.UsageError("name a job file, or a job with --job-id")


def _go(ctx: click.Context, command: click.Command, args: list[str], secret: list[str]) -> None:
    say(f"note: this is now `boss-ingest {shlex.join([str(command.name), *args])}`")
    assert ctx.parent is not None
    with command.make_context(str(command.name), [*args, *secret], parent=ctx.parent) as inner:
        command.invoke(inner)


def _flags(*options: tuple[str, object]) -> list[str]:
    args: list[str] = []
    for name, value in options:
        if value is True:
            args.append(name)
        elif value not in {None, False}:
            args += [name, str(value)]
    return args


def _host(config: Path | None) -> list[str]:
    """The Boss that the job file of a cancelled job names."""
    if config is None:
        return []
    from boss_ingest.config.loading import load_job_file
    from boss_ingest.errors import IngestError

    try:
        return ["--host", load_job_file(config).backend.base_url]
    except IngestError as error:
        raise click.UsageError(str(error)) from error
