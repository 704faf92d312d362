"""A Stop that remembers how long it was to wait, and waits next to nothing."""

from __future__ import annotations

from boss_ingest.engine.stop import Stop


class ImpatientStop(Stop):
    def __init__(self) -> None:
        super().__init__()
        self.slept_s: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await super().sleep(min(seconds, 0.01))
