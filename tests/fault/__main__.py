"""`python -m tests.fault`: the matrix, the kills and the soak, and one table of what they cost.

python -m tests.fault                                all of it, as `make faults` does
python -m tests.fault matrix --seeds 3               one part, with its options
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fault import table

if TYPE_CHECKING:
    from types import ModuleType

PARTS = ("matrix", "kill", "soak")
"""Modules of this package with `add_arguments(parser)` and `async run(arguments) -> list[Row]`."""

RESULTS = Path(__file__).parent / "results"


def main(words: list[str]) -> int:
    """Run what is asked for; 0 when every row is good."""
    parts = {name: importlib.import_module(f"tests.fault.{name}") for name in PARTS}
    parser = argparse.ArgumentParser(
        prog="python -m tests.fault", description=(__doc__ or "").splitlines()[0]
    )
    sections = parser.add_subparsers(dest="part", metavar="|".join(parts))
    for name, part in parts.items():
        part.add_arguments(sections.add_parser(name, help=(part.__doc__ or "").splitlines()[0]))
    arguments = parser.parse_args(words)
    chosen = [arguments.part] if arguments.part else list(parts)
    began, rows = time.monotonic(), []
    for name in chosen:
        options = arguments if arguments.part else parser.parse_args([name])
        rows += asyncio.run(_run(parts[name], options))
    command = " ".join(["python -m tests.fault", *words])
    text = table.report(rows, command=command, seconds=time.monotonic() - began)
    print(text)
    if not arguments.part:
        print(f"written to {table.write(text, RESULTS)}", file=sys.stderr)
    return int(not all(row.is_good for row in rows))


async def _run(part: ModuleType, arguments: argparse.Namespace) -> list[table.Row]:
    rows: list[table.Row] = await part.run(arguments)
    return rows


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
