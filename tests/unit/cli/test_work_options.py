"""What a user may type for the options of the work, and the defaults when they type nothing."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from boss_ingest.cli.work_options import byte_size, take_options, work_options
from boss_ingest.encode.codec import FOR_IMAGES, FOR_LABELS, Codec
from boss_ingest.engine.options import PUTS, Options


@pytest.mark.parametrize(
    ("text", "number_bytes"),
    [
        ("1", 1),
        ("512M", 512 * 10**6),
        ("4G", 4 * 10**9),
        ("2GiB", 2 * 2**30),
        ("2gib", 2 * 2**30),
        ("1.5 kB", 1500),
        (" 100MB ", 10**8),
        ("1Ti", 2**40),
    ],
)
def test_a_size(text: str, number_bytes: int) -> None:
    assert byte_size(text) == number_bytes


@pytest.mark.parametrize(
    "text", ["", "G", "lots", "4X", "-1G", "0", "0.1", "nan", "inf", "1e400", "4 G B", "GG4"]
)
def test_what_is_no_size_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter):
        byte_size(text)


def parse(*args: str) -> Options:
    taken: list[Options] = []

    @click.command()
    @work_options
    def command(**given: object) -> None:
        taken.append(take_options(given))

    result = CliRunner().invoke(command, args)
    assert result.exit_code == 0, result.output
    return taken[0]


def test_what_is_not_given_is_the_engines_default() -> None:
    assert parse() == Options()


def test_every_option_reaches_the_engine() -> None:
    options = parse(
        *("--concurrency", "7", "--memory", "1G", "-p", "2", "--attempts", "5", "--read-timeout", "9"),
        *("--codec", "zstd:3:bit", "--include-outside", "--manual-complete", "--verify-timeout", "60"),
        *("--processes", "3"),
    )
    assert options == Options(
        concurrency=7,
        memory_bytes=10**9,
        workers=2,
        attempts=5,
        read_timeout_s=9.0,
        codec=Codec("zstd", 3, "bit"),
        include_outside=True,
        manual_complete=True,
        verify_timeout_s=60.0,
        processes=3,
    )


def test_each_process_may_have_as_many_puts_in_flight_as_one_unless_it_is_said() -> None:
    assert parse("--processes", "3").concurrency == 3 * PUTS
    assert parse("--processes", "3", "--concurrency", "8").concurrency == 8


@pytest.mark.parametrize("processes", ["0", "-1", "65", "two"])
def test_so_many_processes_are_a_usage_error(processes: str) -> None:
    @click.command()
    @work_options
    def command(**given: object) -> None:
        """Nothing."""

    result = CliRunner().invoke(command, ["--processes", processes])
    assert result.exit_code == 2
    assert "--processes" in result.output


def test_the_defaults_that_help_shows_are_the_defaults() -> None:
    @click.command()
    @work_options
    def command(**given: object) -> None:
        """Nothing."""

    shown = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    options = Options()
    for default in (f"{PUTS} for each process", options.attempts, int(options.read_timeout_s)):
        assert f"[default: {default}]" in shown
    assert f"[default: {options.verify_timeout_s:.0f}, six hours]" in shown
    for codec in (FOR_IMAGES, FOR_LABELS):
        assert f"{codec.name}:{codec.level}:{codec.shuffle}" in shown
