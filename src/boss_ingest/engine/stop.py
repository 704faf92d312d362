"""How a person stops the work: once to finish what is in flight, twice to drop it."""

from __future__ import annotations

import asyncio


class Stop:
    """A request to stop, made by a signal and seen by the pipeline.

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
