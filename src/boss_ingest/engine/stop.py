"""How a person stops the work: once to finish what is in flight, twice to drop it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from boss_ingest.errors import StopRequestedError

T = TypeVar("T")


class Stop:
    """A request to stop, made by a signal and seen wherever the engine waits.

    After `request()` nothing more is leased and work in flight may finish; a second `request()` drops
    it too. Neither loses anything: messages that were not acknowledged come back to the queue.
    """

    def __init__(self) -> None:
        self.draining = asyncio.Event()
        self.dropping = asyncio.Event()

    def request(self) -> None:
        """Ask once to drain, twice to drop."""
        if self.draining.is_set():
            self.dropping.set()
        self.draining.set()

    async def unless(self, work: Coroutine[Any, Any, T]) -> T:
        """Await `work`, but end it and raise StopRequestedError as soon as a stop is asked for.

        Work that a stop came before is not begun: its first step might be a request that has its effect.
        """
        if self.draining.is_set():
            work.close()
            raise StopRequestedError("stopped as asked")
        asked = asyncio.create_task(self.draining.wait())
        doing = asyncio.create_task(work)
        try:
            await asyncio.wait([asked, doing], return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                return doing.result()
            raise StopRequestedError("stopped as asked")
        finally:
            asked.cancel()
            doing.cancel()
            await asyncio.gather(asked, doing, return_exceptions=True)

    async def sleep(self, seconds: float) -> None:
        """Sleep, but raise StopRequestedError as soon as a stop is asked for."""
        await self.unless(asyncio.sleep(seconds))
