"""Room: how many bytes, and how many tasks, may be in work at one time."""

from __future__ import annotations

import asyncio
from collections import deque

_EARLY = 512
"""The most tasks that have given back their room and not ended: each still takes some kilobytes."""


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
        self.early = 0
        self._waiting: deque[tuple[int, int, asyncio.Future[None]]] = deque()

    @property
    def tasks_in_work(self) -> int:
        """How many tasks have been let in and not left."""
        return self._used_tasks

    @property
    def used_bytes(self) -> int:
        """How many bytes the tasks in work were let in with."""
        return self._used_bytes

    def capacity(self, cost_bytes: int) -> int:
        """How many tasks of this size can be in work together, at least one."""
        return max(1, min(self._tasks, self._memory_bytes // max(1, cost_bytes)))

    async def enter(self, cost_bytes: int, *, tasks: int = 1) -> None:
        """Wait until so many tasks, of this size each, may start together."""
        if not self._waiting and self._try_enter(cost_bytes, tasks):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((cost_bytes, tasks, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._admit()
            else:
                self.leave(cost_bytes, tasks=tasks)
            raise

    def leave(self, cost_bytes: int, *, tasks: int = 1) -> None:
        """Give back the room of tasks that ended, or never came."""
        self._used_bytes -= cost_bytes * tasks
        self._used_tasks -= tasks
        self._admit()

    def _try_enter(self, cost_bytes: int, tasks: int) -> bool:
        used_tasks, used_bytes = self._used_tasks + tasks, self._used_bytes + cost_bytes * tasks
        fits = used_tasks <= self._tasks and used_bytes <= self._memory_bytes
        if not fits and self._used_tasks > 0:
            return False
        self._used_tasks, self._used_bytes = used_tasks, used_bytes
        return True

    def _admit(self) -> None:
        while self._waiting:
            cost_bytes, tasks, turn = self._waiting[0]
            if not turn.cancelled():
                if not self._try_enter(cost_bytes, tasks):
                    return
                turn.set_result(None)
            self._waiting.popleft()


class Place:
    """The room of one task that was let in: given back early when the task only waits for its last answers.

    It is early as long as few tasks are: when answers stay away, the others keep their room to the end.
    """

    def __init__(self, room: Room, cost_bytes: int) -> None:
        self._room = room
        self._cost_bytes = cost_bytes
        self._held = True

    def leave_early(self) -> None:
        """The task holds nothing of its source any more; it may be said twice."""
        if self._held and self._room.early < _EARLY:
            self._held = False
            self._room.early += 1
            self._room.leave(self._cost_bytes)

    async def take_again(self) -> None:
        """Wait for room, if it was given back, before the source is read once more."""
        if not self._held:
            await self._room.enter(self._cost_bytes)
            self._held = True
            self._room.early -= 1

    def leave(self) -> None:
        """The task has ended."""
        if self._held:
            self._room.leave(self._cost_bytes)
        else:
            self._room.early -= 1
