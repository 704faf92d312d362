"""Temporary copies of objects, for libraries that want a file: each is fetched once, old ones make room."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from typing import IO

_PREFIX = "boss-ingest-copies-"
_LOCK = "in-use"
_ABANDONED_AFTER_S = 3600.0

KEPT_S = 180.0
"""A copy is safe for so long after it was handed out: longer than any task that may want to open it."""

Fetch = Callable[[Path], Awaitable[None]]


class Copies:
    """Copies in a folder of their own below `temp_dir`, which goes with `close`, or with the interpreter.

    No more than `most_copies`, of `most_bytes` together, apart from those handed out in the last KEPT_S
    seconds: the least recently used go first. What a killed process left behind, a later one removes.
    """

    def __init__(self, temp_dir: str | None, *, most_copies: int = 64, most_bytes: int = 16 << 30) -> None:
        self._temp_dir = temp_dir or tempfile.gettempdir()
        self._most_copies = most_copies
        self._most_bytes = most_bytes
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._lock: IO[bytes] | None = None
        self._copies: OrderedDict[str, tuple[Path, int, float]] = OrderedDict()  # path, bytes, handed out at
        self._fetching: dict[str, asyncio.Task[Path]] = {}
        self._made = 0

    async def get(self, key: str, fetch: Fetch) -> Path:
        """The copy of `key`; `fetch` writes the file it is given. Raises what that raises, and OSError."""
        if key in self._copies:
            self._copies.move_to_end(key)
            path, size_bytes, _ = self._copies[key]
            self._copies[key] = path, size_bytes, time.monotonic()
            return path
        if key not in self._fetching:
            self._fetching[key] = asyncio.create_task(self._fetch(key, fetch))
        return await asyncio.shield(self._fetching[key])

    async def close(self) -> None:
        """Remove them all; safe to repeat."""
        pending = list(self._fetching.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self._copies.clear()
        if self._lock is not None:
            self._lock.close()
        if self._folder is not None:
            await asyncio.to_thread(self._folder.cleanup)
        self._folder = self._lock = None

    async def _fetch(self, key: str, fetch: Fetch) -> Path:
        try:
            path = self._fresh(PurePosixPath(key).suffix)
            try:
                await fetch(path)
            except BaseException:
                await asyncio.to_thread(path.unlink, missing_ok=True)
                raise
            size_bytes = (await asyncio.to_thread(path.stat)).st_size
            self._copies[key] = path, size_bytes, time.monotonic()
            self._make_room()
            return path
        finally:
            del self._fetching[key]

    def _make_room(self) -> None:
        used_bytes = sum(size_bytes for _, size_bytes, _ in self._copies.values())
        for key, (path, size_bytes, handed_out) in list(self._copies.items()):
            few = len(self._copies) <= self._most_copies and used_bytes <= self._most_bytes
            if few or time.monotonic() - handed_out < KEPT_S:
                break
            with contextlib.suppress(PermissionError):  # Windows keeps what is open
                path.unlink(missing_ok=True)
                del self._copies[key]
                used_bytes -= size_bytes

    def _fresh(self, suffix: str) -> Path:
        if self._folder is None:
            _sweep(Path(self._temp_dir))
            folder = tempfile.TemporaryDirectory(
                prefix=_PREFIX, dir=self._temp_dir, ignore_cleanup_errors=True
            )
            self._lock = open(Path(folder.name, _LOCK), "wb")  # noqa: PTH123, SIM115 - held until close
            _try_lock(self._lock)
            self._folder = folder
        self._made += 1
        return Path(self._folder.name, f"{self._made}{suffix}")


def _sweep(temp_dir: Path) -> None:
    """Remove the folders of processes that are gone: nobody holds their lock."""
    if os.name != "posix":
        return
    for folder in temp_dir.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime < _ABANDONED_AFTER_S or folder.is_symlink():
                continue
            with (folder / _LOCK).open("rb") as lock:
                if _try_lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)


def _try_lock(file: IO[bytes]) -> bool:
    """Whether the file is locked by us now, until it is closed or this process ends."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
