"""What a local Boss does in the background: tasks that all end before it does."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from types import TracebackType

_log = logging.getLogger("boss_ingest.local")
_log.addHandler(logging.NullHandler())


class Workshop:
    """A task group that may be opened and closed by different tasks, and outlives the failure of a member."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Event()
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self._run(), name="local Boss")
        await self._ready.wait()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        for task in self._tasks:
            task.cancel()
        await self._runner

    def start(self, work: Coroutine[object, object, None], *, name: str) -> None:
        """Begin something; a failure of it is logged and harms nothing else."""
        if self._closing.is_set():
            work.close()
            return
        task = self._group.create_task(_guarded(work, name), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as self._group:
            self._ready.set()
            await self._closing.wait()


async def _guarded(work: Coroutine[object, object, None], name: str) -> None:
    try:
        await work
    except Exception:  # noqa: BLE001 - whatever it was, the others go on
        _log.exception("%s failed", name)
