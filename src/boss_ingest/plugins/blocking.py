"""An event loop in a thread, for the classic processors: they block, and their caller may have a loop."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from boss_ingest.plugins.reader import ChunkReader, Setup, TileReader

T = TypeVar("T")


class Blocking:
    """A reader whose calls block. It is closed with `owner`, or when the interpreter ends."""

    def __init__(self, owner: object, reader: TileReader | ChunkReader, setup: Setup) -> None:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=_run, args=(self._loop,), name=type(reader).__name__, daemon=True)
        thread.start()
        weakref.finalize(owner, _end, self._loop, thread, reader)
        self.run(reader.open(setup))

    def run(self, asked: Coroutine[Any, Any, T]) -> T:
        """Wait for what is asked; raises what it raises."""
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread, reader: TileReader | ChunkReader) -> None:
    async def close() -> None:
        try:
            await reader.close()
        finally:
            loop.stop()

    asyncio.run_coroutine_threadsafe(close(), loop)
    if threading.current_thread() is not thread:
        thread.join(timeout=10.0)
