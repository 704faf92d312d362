"""Room: how many bytes, and how many tasks, may be in work at one time."""

from __future__ import annotations

import asyncio
from collections import deque


class Room:
    """A bound on tasks in work, by their bytes and by their number; first come, first served.

    A task that alone is larger than all the memory is let in when nothing else is in work, so that a
    small budget makes a job slow, never impossible.
    """

    def __init__(self, *, memory_bytes: int, tasks: int) -> None:
        self._memory_bytes = memory_bytes
        self._tasks = tasks
        self._used_bytes = 0
        self._used_tasks = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def tasks_in_work(self) -> int:
        """How many tasks have been let in and not left."""
        return self._used_tasks

    @property
    def used_bytes(self) -> int:
        """How many bytes the tasks in work were let in with."""
        return self._used_bytes

    async def enter(self, cost_bytes: int) -> None:
        """Wait until a task of this size may start."""
        if not self._waiting and self.try_enter(cost_bytes):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((cost_bytes, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(cost_bytes)
            else:
                self._waiting.remove((cost_bytes, turn))
                self._admit()
            raise

    def try_enter(self, cost_bytes: int) -> bool:
        """Let a task in now if there is room."""
        if not self._fits(cost_bytes):
            return False
        self._used_bytes += cost_bytes
        self._used_tasks += 1
        return True

    def leave(self, cost_bytes: int) -> None:
        """Give back the room of a task that ended, or never came."""
        self._used_bytes -= cost_bytes
        self._used_tasks -= 1
        self._admit()

    def _fits(self, cost_bytes: int) -> bool:
        if self._used_tasks == 0:
            return True
        return self._used_tasks < self._tasks and self._used_bytes + cost_bytes <= self._memory_bytes

    def _admit(self) -> None:
        while self._waiting:
            cost_bytes, turn = self._waiting[0]
            if not self.try_enter(cost_bytes):
                return
            self._waiting.popleft()
            turn.set_result(None)
