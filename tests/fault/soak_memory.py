"""The soak in memory: a million tiny tasks through the engine's own pipeline, with a little of everything.

Some messages are delivered twice, some requests fail for a moment, some tiles never can be read. What must
come out is counted in one byte a task, so that the harness itself stays as flat as what it measures.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from boss_ingest.aws.bucket import Body, Stored, size_bytes
from boss_ingest.aws.queue import Depth, Lease
from boss_ingest.config.extent import Extent, Span
from boss_ingest.encode.tile_image import TileImage
from boss_ingest.engine import events
from boss_ingest.engine.budget import Room
from boss_ingest.engine.ledger import Ledger
from boss_ingest.engine.limiter import PutLimiter
from boss_ingest.engine.options import Options
from boss_ingest.engine.paths import JobFacts, TilePath
from boss_ingest.engine.pipeline import End, Pipeline
from boss_ingest.engine.retry import Retrier
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.store import Store
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.tasks import TileTask
from boss_ingest.engine.tile_source import ReadTile
from boss_ingest.errors import CredentialsError, SourceError, ThrottledError, TransientError
from tests.doubles.memory_queue import MemoryQueue
from tests.doubles.upload_rig import IDS, message, slice_of
from tests.fault.soak_gauge import Gauge

COST_BYTES = 1000


@dataclass(frozen=True, slots=True)
class Mix:
    """How many of each thousand tasks meet trouble; drawn with `seed`."""

    twice: float = 5.0  # delivered once more, while they are leased or after they are done
    put_fails: float = 2.0  # S3 resets, once
    slow_down: float = 0.5  # S3 says SlowDown, once
    index_fails: float = 1.0  # SQS fails, once
    read_fails: float = 1.0  # the source fails, once
    unreadable: float = 0.1  # the source fails for ever
    seed: int = 1

    def of(self, name: str, dice: random.Random) -> bool:
        return dice.random() * 1000 < float(getattr(self, name))


class MemorySoak:
    """One client and all that it talks to, in this process; `run()` works on `tasks` tiles."""

    def __init__(self, tasks: int, mix: Mix | None = None) -> None:
        self.mix = mix or Mix()
        self.dice = random.Random(self.mix.seed)
        self.gauge = Gauge(tasks)
        self.stored, self.indexed, self.deleted = (bytearray(tasks) for _ in range(3))
        self.tally = Tally()
        self.aside: set[int] = set()
        self.lost = 0  # acknowledged, and not stored
        self.troubled: set[int] = set()  # what failed once and must not again
        extent = Extent(Span(0, 512), Span(0, 512), Span(0, tasks), Span(0, 1))
        facts = JobFacts(7, extent, IDS, {"resource": {"lookup_key": str(IDS)}})
        options = Options(memory_bytes=1 << 30, workers=1)
        retry = Retrier(renew=_renew, give_up_s=900.0, tally=self.tally, observe=self.observe)
        self.pipeline = Pipeline(
            _Upload(self, Messages(tasks)),
            TilePath(
                facts,
                (512, 512),
                source=_Source(self),
                store=Store(_Bucket(self), PutLimiter(options.concurrency), retry, self.tally),
                index=_Index(self),
                retry=retry,
                tally=self.tally,
                observe=self.observe,
            ),
            cost_bytes=COST_BYTES,
            room=Room(memory_bytes=options.task_bytes, tasks=options.tasks_in_work(classic=False)),
            retry=retry,
            options=options,
            tally=self.tally,
            ledger=Ledger(),
            observe=self.observe,
            stop=Stop(),
        )

    async def run(self) -> list[str]:
        """Work until the queue is drained; what went wrong, in words."""
        self.gauge.see(0)
        end = await self.pipeline.run()
        return [*self._lost(), *([] if end is End.DRAINED else [f"it ended {end}"])]

    def observe(self, event: events.Event) -> None:
        if isinstance(event, events.SetAside):
            self.aside.add(slice_of(event.key))

    def meets(self, name: str, z: int) -> bool:
        """Whether a task meets this trouble now; each does so once at most."""
        if z in self.troubled or not self.mix.of(name, self.dice):
            return False
        self.troubled.add(z)
        return True

    def acknowledged(self, z: int) -> None:
        self.deleted[z] = True
        self.troubled.discard(z)
        self.gauge.see(self.tally.stored)

    def _lost(self) -> list[str]:
        problems = []
        for z, (stored, indexed, deleted) in enumerate(
            zip(self.stored, self.indexed, self.deleted, strict=True)
        ):
            if deleted and not (stored and indexed):
                self.lost += 1
                problems.append(f"slice {z} was acknowledged and is not stored")
            elif (stored, indexed, bool(deleted)) != ((0, 0, False) if z in self.aside else (1, 1, True)):
                problems.append(f"slice {z}: stored {stored} ×, indexed {indexed} ×, deleted {bool(deleted)}")
        if self.tally.stored + len(self.aside) != len(self.stored):
            problems.append(
                f"{self.tally.stored} stored and {len(self.aside)} set aside of {len(self.stored)}"
            )
        return problems[:20]


class Messages(Sequence[str]):
    """The bodies of all tasks, each made when it is asked for."""

    def __init__(self, tasks: int) -> None:
        self._tasks = tasks

    def __len__(self) -> int:
        return self._tasks

    @overload
    def __getitem__(self, z: int) -> str: ...
    @overload
    def __getitem__(self, z: slice) -> Sequence[str]: ...
    def __getitem__(self, z: int | slice) -> str | Sequence[str]:
        if isinstance(z, slice):
            return [message(at) for at in range(*z.indices(self._tasks))]
        if not 0 <= z < self._tasks:
            raise IndexError(z)
        return message(z)


class _Upload:
    """The queue, where a message may come twice at a time."""

    def __init__(self, soak: MemorySoak, bodies: Sequence[str]) -> None:
        self._soak = soak
        self._queue = MemoryQueue("upload", supply=bodies)
        self._again: list[Lease] = []

    async def lease(self, most: int, *, wait_s: float, lease_s: float) -> list[Lease]:
        await asyncio.sleep(0)
        again, self._again = self._again[:most], self._again[most:]
        if len(again) == most:
            return again
        leases = await self._queue.lease(most - len(again), wait_s=0 if again else wait_s, lease_s=lease_s)
        self._again += [lease for lease in leases if self._soak.mix.of("twice", self._soak.dice)]
        return again + leases

    async def acknowledge(self, lease: Lease) -> None:
        await asyncio.sleep(0)
        await self._queue.acknowledge(lease)
        self._soak.acknowledged(_slice(lease.body))

    async def depth(self) -> Depth:
        return await self._queue.depth()


class _Index:
    def __init__(self, soak: MemorySoak) -> None:
        self._soak = soak

    async def send(self, body: str) -> None:
        await asyncio.sleep(0)
        z = _slice(body)
        if self._soak.meets("index_fails", z):
            raise TransientError("the index queue fails for a moment", code="InternalError")
        self._soak.indexed[z] += 1


class _Bucket:
    def __init__(self, soak: MemorySoak) -> None:
        self._soak = soak

    async def put(self, key: str, body: Body, *, metadata: Mapping[str, str]) -> Stored:
        await asyncio.sleep(0)
        z = slice_of(key)
        if self._soak.meets("put_fails", z):
            raise TransientError("the connection was reset", code="ConnectionReset")
        if self._soak.meets("slow_down", z):
            raise ThrottledError("SlowDown", code="SlowDown", http_status=503)
        self._soak.stored[z] += 1
        return Stored(key, size_bytes(body), "etag")


class _Source:
    def __init__(self, soak: MemorySoak) -> None:
        self._soak = soak

    async def read(self, task: TileTask) -> ReadTile:
        await asyncio.sleep(0)
        z = task.index.z
        if random.Random(f"{self._soak.mix.seed} {z}").random() * 1000 < self._soak.mix.unreadable:
            raise SourceError(f"slice {z} cannot be read", hint="nor ever")
        if self._soak.meets("read_fails", z):
            raise SourceError(f"slice {z} cannot be read now")
        return ReadTile(TileImage(b"%d" % z, passed_through=True))


async def _renew(error: CredentialsError) -> None:
    raise AssertionError(f"no keys were refused: {error}")


def _slice(body: str) -> int:
    return slice_of(json.loads(body)["tile_key"])
