"""A local Boss with short times in a process of its own, which can be killed and started again where it was.

`python -m tests.fault.kill_boss DIR PORT` serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import sys
from pathlib import Path
from typing import Self

from tests.local_jobs import NAMES

LEASE_S = 3.0
"""The longest that a client may keep a message, who asks for 170 s."""

EXTENT = {"x": [0, 4096], "y": [0, 4096], "z": [0, 64]}
_READY_S = 300.0
_PORTS = range(10_000, 32_000)  # those above are given to connections, which could be in its way
_REPOSITORY = Path(__file__).parents[2]


class BossProcess:
    """Async context manager. `url` and `token` stay the same over restarts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.token = ""
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.kill()

    async def start(self) -> None:
        """Start it, unless it runs, where it was before; returns once it answers."""
        if self._process is not None and self._process.returncode is None:
            return
        port = self.url.rpartition(":")[2] or str(free_port())
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.fault.kill_boss", self.folder, port,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=_REPOSITORY,
        )  # fmt: skip
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), _READY_S)
        said = json.loads(line)
        self.url, self.token = said["url"], said["token"]

    async def kill(self) -> None:
        """As if the power had failed: the process is gone at once, and what it wrote stays."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


def free_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


async def _serve(folder: Path, port: int) -> None:
    from boss_ingest.local.boss import LocalBoss
    from boss_ingest.local.settings import Settings

    settings = Settings(
        dir=folder,
        port=port,
        populate_s=0.0,
        quiet_period_s=0.2,
        longest_visibility_s=LEASE_S,
        index_visibility_s=10.0,
        ingest_visibility_s=10.0,
    )
    async with LocalBoss(settings) as boss:
        await boss.prepare(**NAMES, datatype="uint8", extent=EXTENT)
        print(json.dumps({"url": boss.url, "token": boss.token}), flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
