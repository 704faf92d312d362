"""The options that say how the work is done, shared by `run` and `join`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from boss_ingest.cli.progress import PROGRESS

if TYPE_CHECKING:
    from boss_ingest.encode.codec import Codec
    from boss_ingest.engine.options import Options

_UNITS = {
    "": 1,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "KI": 2**10,
    "MI": 2**20,
    "GI": 2**30,
    "TI": 2**40,
}


def byte_size(text: str) -> int:
    """Bytes, at least 1, of a size such as 512M, 4G or 2GiB."""
    plain = text.strip().upper().removesuffix("B")
    digits = plain.rstrip("KMGTI")
    try:
        number_bytes = int(float(digits) * _UNITS[plain[len(digits) :]])
    except (KeyError, ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is not a size; write for example 512M or 4G") from None
    if number_bytes < 1:
        raise click.BadParameter("must be more than nothing")
    return number_bytes


def blosc_codec(text: str) -> Codec:
    """A codec as Codec.parse reads it."""
    from boss_ingest.encode.codec import Codec

    try:
        return Codec.parse(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}; write for example zstd:3:bit") from None


verify_timeout_option = click.option(
    "--verify-timeout",
    type=click.FloatRange(1.0),
    metavar="SECONDS",
    help="Longest wait for the Boss to verify and finish the job  [default: 21600, six hours]",
)

_OPTIONS = [
    click.option(
        "--processes",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Processes that upload side by side and share concurrency, memory and workers: for many small "
        "tiles on a fast line, or readers whose own Python code is slow.",
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 1024),
        help="Most PUTs in flight  [default: 64 for each process]",
    ),
    click.option(
        "--memory",
        type=byte_size,
        metavar="SIZE",
        help="Most bytes of voxels in work, such as 4G  [default: a quarter of the memory, at most 4 GiB]",
    ),
    click.option(
        "--workers",
        "-p",
        type=click.IntRange(1, 256),
        help="Processes that decode images and run plugins  [default: the cores]",
    ),
    click.option(
        "--attempts", type=click.IntRange(1, 100), help="Tries before a task is set aside  [default: 3]"
    ),
    click.option(
        "--read-timeout",
        type=click.FloatRange(0.1),
        metavar="SECONDS",
        help="Longest read of one tile or chunk  [default: 100]",
    ),
    click.option(
        "--codec",
        type=blosc_codec,
        metavar="NAME[:LEVEL[:SHUFFLE]]",
        help="How blosc packs cuboids: blosclz, lz4, lz4hc, zlib or zstd, 0 to 9, none, byte or bit"
        "  [default: lz4:5:byte for images, zstd:1:none for labels]",
    ),
    click.option(
        "--include-outside",
        is_flag=True,
        help="Also store cuboids wholly outside the extent; this overwrites what is there.",
    ),
    click.option(
        "--manual-complete",
        "-m",
        is_flag=True,
        help="Stop when all is uploaded; `boss-ingest complete` does the rest.",
    ),
    verify_timeout_option,
    click.option(
        "--builtin-plugins-only", is_flag=True, help="Refuse plugin code that is not boss-ingest's."
    ),
    click.option(
        "--progress",
        type=click.Choice(PROGRESS),
        default="auto",
        show_default=True,
        help="A bar, plain lines, JSON lines on standard output, or nothing.",
    ),
]


def work_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say how the work is done."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def take_options(given: dict[str, Any]) -> Options:
    """Take what became of them out of a command's keyword arguments; what was not given is the default."""
    from boss_ingest.engine.options import PUTS, Options

    processes, concurrency = given.pop("processes"), given.pop("concurrency")
    fields = {
        "processes": processes,
        "concurrency": concurrency or PUTS * processes,
        "memory_bytes": given.pop("memory"),
        "workers": given.pop("workers"),
        "attempts": given.pop("attempts"),
        "read_timeout_s": given.pop("read_timeout"),
        "verify_timeout_s": given.pop("verify_timeout"),
        "codec": given.pop("codec"),
        "include_outside": given.pop("include_outside"),
        "manual_complete": given.pop("manual_complete"),
    }
    return Options(**{name: value for name, value in fields.items() if value is not None})
