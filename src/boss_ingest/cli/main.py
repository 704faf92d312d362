"""The `boss-ingest` command: its subcommands, and the old form without one.

Nothing heavy is imported here or at the top of any command, so that `--help` answers at once.
"""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from boss_ingest import __version__
from boss_ingest.cli import cancel, complete, jobs, join, legacy, local, plugins, retry, run, status
from boss_ingest.cli.running import open_standard_streams

_EPILOG = """\b
Exit codes:
  0    the job is complete (or all is uploaded, with --manual-complete)
  1    a bug in boss-ingest
  2    the command line is wrong
  3    not complete: tasks were set aside (`boss-ingest retry --job-id N`), or are left for others
  4    the job file, or the channel it names, is not as it must be
  5    not allowed: token or permission
  6    the job is gone: cancelled, deleted or expired
  7    gave up for now: network or service
  130  interrupted; `boss-ingest join --job-id N` goes on

The form of boss-ingest 0.x, `boss-ingest CONFIG [-j N] [-c] [-f] [-m] …`, still works.
"""


class Commands(click.Group):
    """The subcommands; what names none of them is the form of boss-ingest 0.x."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Send the old form to its own hidden command."""
        if args and args[0] not in self.commands and args[0] not in {"-h", "--help", "--version"}:
            self._refuse_typo(ctx, args[0])
            args = ["legacy", *args]
        return super().parse_args(ctx, args)

    def _refuse_typo(self, ctx: click.Context, word: str) -> None:
        if word.startswith("--"):
            known = ["--help", "--version", *_long_options(legacy.legacy)]
            name = word.partition("=")[0]
            if name not in known:
                raise click.NoSuchOption(name, possibilities=difflib.get_close_matches(name, known), ctx=ctx)
        if word.startswith("-") or Path(word).suffix or Path(word).exists():
            return
        near = difflib.get_close_matches(word, [name for name in self.commands if name != "legacy"], n=1)
        meant = f" Did you mean '{near[0]}'?" if near else ""
        raise click.UsageError(f"There is no command '{word}', nor a job file of that name.{meant}", ctx)


def _long_options(command: click.Command) -> list[str]:
    return [name for param in command.params for name in param.opts if name.startswith("--")]


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=_EPILOG,
)
@click.version_option(__version__, message="boss-ingest %(version)s")
def main() -> None:
    """Move an image volume into a Boss, as tiles or as cuboids, and see it complete."""
    open_standard_streams()


_COMMANDS = (
    run.run,
    join.join,
    retry.retry,
    status.status,
    complete.complete,
    cancel.cancel,
    jobs.jobs,
    plugins.plugins,
    local.local,
    legacy.legacy,
)
for command in _COMMANDS:
    main.add_command(command)
