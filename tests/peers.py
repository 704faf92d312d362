"""Published programs that are not ours, in a virtual environment of their own, run against a local Boss.

`make peers` creates it: boss-ingest==0.12.0 and intern==1.4.2 in .venv-peers,
or where BOSS_INGEST_PEERS says.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from tests.command import FAR_TOO_LONG_S

VENV = Path(os.environ.get("BOSS_INGEST_PEERS") or Path(__file__).parent.parent / ".venv-peers").absolute()


def program(name: str) -> Path:
    """A program of the side environment; skips the test when it is not there."""
    path = VENV / "bin" / name
    if not path.exists():
        pytest.skip(f"{path} is missing: `make peers` installs the programs to compare with")
    return path


async def run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path) -> str:
    """Run a program to its end and return what it said; fails the test when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **(env or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(FAR_TOO_LONG_S):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        said, _ = await process.communicate()
        pytest.fail(f"{command[0]} did not end within {FAR_TOO_LONG_S} s:\n{said.decode()[-4000:]}")
    assert process.returncode == 0, said.decode()[-4000:]
    return said.decode()
