"""A service that takes PUTs in simulated time: a path of some length, a server of some speed behind it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from boss_ingest.engine.limiter import PutLimiter


@dataclass(slots=True)
class SimulatedService:
    """`path_s` there and back; then one after the other, each for `seconds_of(size_bytes)`."""

    path_s: float = 0.04
    seconds_of: Callable[[int], float] = lambda _: 0.0
    jitter: Callable[[random.Random], float] = lambda _: 0.0  # seconds more, by nature
    seed: int = 1
    in_flight: int = 0
    done: list[tuple[float, float]] = field(default_factory=list)  # when, and how long it took
    _free_at_s: float = 0.0
    _stalled_until_s: float = 0.0
    _dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)

    async def put(self, size_bytes: int = 1000) -> None:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self.in_flight += 1
        try:
            await asyncio.sleep(self.path_s / 2 + self.jitter(self._dice))
            self._free_at_s = max(loop.time(), self._free_at_s) + self.seconds_of(size_bytes)
            await asyncio.sleep(self._free_at_s + self.path_s / 2 - loop.time())
            await asyncio.sleep(self._stalled_until_s - loop.time())
        finally:
            self.in_flight -= 1
        self.done.append((loop.time(), loop.time() - began_s))

    def stall(self, seconds: float) -> None:
        """Answer nothing for so long, as when all of this process stands still."""
        self._stalled_until_s = asyncio.get_running_loop().time() + seconds

    def rate(self, from_s: float, to_s: float) -> float:
        """PUTs a second, of the loop's time between the two."""
        return sum(from_s <= at_s < to_s for at_s, _ in self.done) / (to_s - from_s)

    def latency_s(self, from_s: float) -> float:
        """Mean duration of those that ended later."""
        took_s = [took_s for at_s, took_s in self.done if at_s >= from_s]
        return sum(took_s) / len(took_s)


async def upload(
    service: SimulatedService,
    limiter: PutLimiter,
    *,
    for_s: float,
    clients: int = 80,
    sizes: Callable[[random.Random], int] = lambda _: 1000,
) -> None:
    """So many tasks at a time put one object after the other, as the engine does, for so long."""
    loop = asyncio.get_running_loop()
    dice = random.Random(2)
    until_s = loop.time() + for_s

    async def client() -> None:
        while loop.time() < until_s:
            size_bytes = sizes(dice)
            async with limiter:
                began_s = loop.time()
                await service.put(size_bytes)
                limiter.ok(began_s=began_s, size_bytes=size_bytes)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
