"""A local Boss in a process of its own, for as long as one command needs it."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from boss_ingest.errors import GaveUpError

if TYPE_CHECKING:
    from pydantic import SecretStr

_READY_S = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """Where the local Boss listens, and the token it lets us in with."""

    url: str
    token: SecretStr


@asynccontextmanager
async def local_boss(folder: Path) -> AsyncIterator[Running]:
    """Start a local Boss on `folder` and stop it when the block ends; it also ends when we die.

    Raises GaveUpError when it does not come up.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "boss_ingest", "local", "serve", "--dir", str(folder), "--port", "0",
        "--json", "--while-stdin-is-open",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield _running(await _first_line(process.stdout, folder), folder)
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(_READY_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _first_line(stdout: asyncio.StreamReader, folder: Path) -> bytes:
    try:
        async with asyncio.timeout(_READY_S):
            line = await stdout.readline()
    except TimeoutError:
        line = b""
    if not line:
        raise GaveUpError(
            f"the local Boss on {folder} did not start",
            hint=f"what it said stands above; try it alone: boss-ingest local serve --dir {folder}",
        )
    return line


def _running(line: bytes, folder: Path) -> Running:
    from boss_ingest.boss.token import find_token

    said = json.loads(line)
    token = find_token(token_file=folder / "token.json", env={}, home=folder, cwd=folder)
    return Running(said["url"], token.secret)
