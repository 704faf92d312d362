"""A whole upload in memory: the real tile path and pipeline, with scripted trouble at every step.

The rig watches the promise while it runs: a message acknowledged before its tile is stored and indexed
fails the test on the spot.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from boss_ingest.aws.bucket import Body, Stored
from boss_ingest.aws.queue import Depth, Lease
from boss_ingest.boss.keys import ChunkKey, LookupIds, TileKey
from boss_ingest.config.extent import Extent, Span
from boss_ingest.encode.tile_image import TileImage
from boss_ingest.engine.budget import Room
from boss_ingest.engine.events import Event, SetAside
from boss_ingest.engine.ledger import Ledger
from boss_ingest.engine.limiter import PutLimiter
from boss_ingest.engine.options import Options
from boss_ingest.engine.paths import JobFacts, TaskPath, TilePath
from boss_ingest.engine.pipeline import End, Pipeline
from boss_ingest.engine.retry import Retrier
from boss_ingest.engine.siblings import Siblings
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.store import Store
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.tasks import TileTask
from boss_ingest.engine.tile_source import ReadTile
from boss_ingest.engine.wanted import Wanted
from boss_ingest.errors import CredentialsError
from tests.doubles.memory_bucket import MemoryBucket
from tests.doubles.memory_queue import MemoryQueue

T = TypeVar("T")
Step = Literal["lease", "depth", "read", "put", "index", "ack"]

IDS = LookupIds(4, 9, 27)
COST_BYTES = 1000


@dataclass(slots=True)
class _Script:
    step: Step
    error: Callable[[], Exception]
    z: int | None
    left: int | None
    late: bool
    when: Callable[[], bool]

    def fits(self, step: Step, z: int | None) -> bool:
        return self.step == step and self.z in (None, z) and self.left != 0 and self.when()


class Trouble:
    """What goes wrong at which step, and a journal of what took effect: (step, slice)."""

    def __init__(self) -> None:
        self.journal: list[tuple[Step, int | None]] = []
        self.tried: Counter[tuple[Step, int | None]] = Counter()
        self.hook: Callable[[Step, int | None], Awaitable[None]] | None = None
        self._scripts: list[_Script] = []

    def add(
        self,
        step: Step,
        error: Callable[[], Exception],
        *,
        z: int | None = None,
        times: int | None = 1,
        late: bool = False,
        when: Callable[[], bool] = lambda: True,
    ) -> None:
        """Let a step fail for a slice or any, so often; `late`: it took effect, only the answer is lost."""
        self._scripts.append(_Script(step, error, z, times, late, when))

    async def around(self, step: Step, z: int | None, do: Callable[[], Awaitable[T]]) -> T:
        self.tried[step, z] += 1
        if self.hook:
            await self.hook(step, z)
        script = next((script for script in self._scripts if script.fits(step, z)), None)
        if script and script.left:
            script.left -= 1
        if script and not script.late:
            raise script.error()
        done = await do()
        self.journal.append((step, z))
        if script:
            raise script.error()
        return done

    def count(self, step: Step, z: int) -> int:
        """How often a step took effect for a slice."""
        return self.journal.count((step, z))


class TileRig:
    """A tile job of `tiles` slices of one tile each; `pipeline()` makes one client of it."""

    def __init__(
        self,
        tiles: int = 5,
        *,
        memory_bytes: int = 1 << 30,
        tasks: int = 1000,
        duplicates: bool = False,
        parameters: Mapping[str, Any] | None = None,
        options: Options | None = None,
    ) -> None:
        self.tiles = tiles
        self.trouble = Trouble()
        self.upload, self.index, self.bucket = MemoryQueue("upload"), MemoryQueue("index"), MemoryBucket()
        self.duplicates = duplicates
        self.parameters = parameters or {"resource": {"lookup_key": "4&9&27"}}
        self.options = replace(options or Options(memory_bytes=1, workers=1), attempts=3)
        self.memory_bytes, self.tasks = memory_bytes, tasks
        self.renewed: list[CredentialsError] = []
        self.on_renewal: Callable[[], None] = lambda: None
        self.most_used_bytes = 0
        self.new_client()

    def new_client(self) -> None:
        """As if the process had been killed: nothing is remembered but what is stored."""
        self.tally, self.ledger, self.stop = Tally(), Ledger(), Stop()
        self.events: list[Event] = []
        self.limiter = PutLimiter(64)
        self.room = Room(memory_bytes=self.memory_bytes, tasks=self.tasks)

    async def fill(self) -> None:
        for z in range(self.tiles):
            await self.upload.send(message(z))

    def path(self) -> TaskPath:
        facts = JobFacts(7, _extent(self.tiles), IDS, self.parameters)
        store = Store(_Bucket(self), self.limiter, self.retrier(), self.tally)
        return TilePath(
            facts,
            (512, 512),
            source=_Source(self),
            store=store,
            index=_Index(self),
            retry=self.retrier(),
            tally=self.tally,
            observe=self.events.append,
        )

    def retrier(self) -> Retrier:
        async def renew(error: CredentialsError) -> None:
            self.renewed.append(error)
            self.on_renewal()

        return Retrier(
            renew=renew, give_up_s=self.options.give_up_s, tally=self.tally, observe=self.events.append
        )

    def pipeline(
        self,
        path: TaskPath | None = None,
        *,
        wanted: Wanted | None = None,
        siblings: Siblings | None = None,
    ) -> Pipeline:
        return Pipeline(
            _Upload(self),
            path or self.path(),
            cost_bytes=COST_BYTES,
            room=self.room,
            retry=self.retrier(),
            options=self.options,
            tally=self.tally,
            ledger=self.ledger,
            observe=self.events.append,
            stop=self.stop,
            wanted=wanted,
            siblings=siblings,
        )

    async def run(self) -> End:
        """Fill the queue and let one client work to its end."""
        await self.fill()
        return await self.pipeline().run()

    @property
    def stored(self) -> set[int]:
        return {slice_of(key) for key in self.bucket.objects}

    @property
    def indexed(self) -> set[int]:
        return {slice_of(json.loads(body)["tile_key"]) for body in self.index.bodies}

    @property
    def deleted(self) -> set[int]:
        left = set(self.upload.bodies)
        return {z for z in range(self.tiles) if message(z) not in left}

    @property
    def set_aside(self) -> set[int]:
        return {slice_of(event.key) for event in self.of(SetAside)}

    def check(self) -> None:
        """The promise: nothing is acknowledged before it is stored."""
        assert self.deleted <= self.stored & self.indexed

    def of(self, kind: type[T]) -> list[T]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


class _Upload:
    def __init__(self, rig: TileRig) -> None:
        self._rig = rig

    async def lease(self, most: int, *, wait_s: float, lease_s: float) -> list[Lease]:
        self._rig.most_used_bytes = max(self._rig.most_used_bytes, self._rig.room.used_bytes)
        queue = self._rig.upload
        leases = await self._rig.trouble.around(
            "lease", None, lambda: queue.lease(most, wait_s=wait_s, lease_s=lease_s)
        )
        return leases + leases[: most - len(leases)] if self._rig.duplicates else leases

    async def acknowledge(self, lease: Lease) -> None:
        await self._rig.trouble.around("ack", _slice(lease.body), lambda: self._rig.upload.acknowledge(lease))
        self._rig.check()

    async def depth(self) -> Depth:
        return await self._rig.trouble.around("depth", None, self._rig.upload.depth)


class _Index:
    def __init__(self, rig: TileRig) -> None:
        self._rig = rig

    async def send(self, body: str) -> None:
        await self._rig.trouble.around("index", _slice(body), lambda: self._rig.index.send(body))


class _Bucket:
    def __init__(self, rig: TileRig) -> None:
        self._rig = rig

    async def put(self, key: str, body: Body, *, metadata: Mapping[str, str]) -> Stored:
        bucket = self._rig.bucket
        return await self._rig.trouble.around(
            "put", slice_of(key), lambda: bucket.put(key, body, metadata=metadata)
        )


class _Source:
    def __init__(self, rig: TileRig) -> None:
        self._rig = rig

    async def read(self, task: TileTask) -> ReadTile:
        async def image() -> ReadTile:
            await asyncio.sleep(0)
            return ReadTile(TileImage(f"image of slice {task.index.z}".encode(), passed_through=True), "")

        return await self._rig.trouble.around("read", task.index.z, image)


def message(z: int) -> str:
    tile, chunk = TileKey(IDS, 0, 0, 0, z, 0), ChunkKey(16, IDS, 0, 0, 0, z // 16, 0)
    return json.dumps({"tile_key": tile.encode(), "chunk_key": chunk.encode()})


def slice_of(tile_key: str) -> int:
    return TileKey.decode(tile_key).z


def _slice(body: str) -> int:
    return slice_of(json.loads(body)["tile_key"])


def _extent(tiles: int) -> Extent:
    return Extent(Span(0, 512), Span(0, 512), Span(0, tiles), Span(0, 1))
