"""The tile path and the chunk path: what exactly is put and sent, and what counts as done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import numpy as np
import pytest

from boss_ingest.aws.bucket import Body, Stored, size_bytes
from boss_ingest.aws.queue import Lease
from boss_ingest.boss.keys import ChunkKey, CuboidKey, LookupIds, TileKey, morton
from boss_ingest.config.extent import Extent, Span
from boss_ingest.encode.codec import FOR_IMAGES
from boss_ingest.encode.cuboid import compress, decompress
from boss_ingest.encode.tile_image import TileImage
from boss_ingest.engine.events import Converted, Event, Substituted
from boss_ingest.engine.limiter import PutLimiter
from boss_ingest.engine.paths import ChunkPath, JobFacts, TilePath
from boss_ingest.engine.read_ahead import ReadAhead
from boss_ingest.engine.retry import Retrier
from boss_ingest.engine.store import Store
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.tasks import ChunkTask, Cuboid, TileTask
from boss_ingest.engine.tile_source import ReadTile
from boss_ingest.errors import (
    CredentialsError,
    IngestError,
    QueueGoneError,
    RefusedError,
    ThrottledError,
    TransientError,
)
from tests.doubles.memory_bucket import MemoryBucket
from tests.doubles.memory_queue import MemoryQueue
from tests.doubles.warped_time import in_warped_time

IDS = LookupIds(4, 9, 27)
PARAMETERS = {
    "upload_queue": "https://sqs.us-east-1.amazonaws.com/1/boss-upload-7",
    "ingest_queue": None,
    "KVIO_SETTINGS": {"cache_db": 0},
    "resource": {"lookup_key": "4&9&27", "channel": {"name": "Zürich"}},
}
FORMAT_OF_SQS = "AQEB" + "x" * 400  # receipts of SQS are several hundred bytes


class Bench:
    """One path between memory doubles, with a bucket that may refuse some keys."""

    def __init__(self, parameters: Mapping[str, object] = PARAMETERS) -> None:
        self.bucket, self.index = MemoryBucket(), MemoryQueue("index")
        self.refusals: dict[str, list[IngestError]] = {}
        self.tally, self.events = Tally(), list[Event]()
        self.facts = JobFacts(7, extent(), IDS, parameters)

        async def renew(_: CredentialsError) -> None:
            pass

        self.retry = Retrier(renew=renew, give_up_s=900.0, tally=self.tally, observe=self.events.append)
        self.limiter = PutLimiter(8)
        self.store = Store(self, self.limiter, self.retry, self.tally)

    async def put(self, key: str, body: Body, *, metadata: Mapping[str, str]) -> Stored:
        await asyncio.sleep(0)
        if errors := self.refusals.get(key):
            raise errors.pop(0)
        return await self.bucket.put(key, body, metadata=metadata)

    def tiles(self, made_up: str = "") -> TilePath:
        class Source:
            async def read(self, task: TileTask) -> ReadTile:
                return ReadTile(TileImage(b"image", passed_through=not made_up), made_up)

        return TilePath(
            self.facts,
            (512, 512),
            source=Source(),
            store=self.store,
            index=self.index,
            retry=self.retry,
            tally=self.tally,
            observe=self.events.append,
        )

    def chunks(self, *, include_outside: bool = False) -> ChunkPath:
        bench = self

        class Whole:
            made_up = ""
            left_out = False
            converted = False

            async def body(self, cuboid: Cuboid) -> bytes:
                return compress(cuboid_of(cuboid), FOR_IMAGES)

        class Source:
            async def read(self, task: ChunkTask) -> Whole:
                bench.reads.append(task)
                return Whole()

        self.chunk = Whole
        self.reads: list[ChunkTask] = []
        return ChunkPath(
            self.facts,
            (32, 1024, 1024),
            source=Source(),
            ahead=ReadAhead(self.limiter),
            store=self.store,
            tally=self.tally,
            observe=self.events.append,
            include_outside=include_outside,
        )


def cuboid_of(cuboid: Cuboid) -> np.ndarray:
    return np.full((16, 512, 512), sum(cuboid.offset_zyx) % 251, np.uint8)


def extent(**spans: tuple[int, int]) -> Extent:
    return Extent(*(Span(*spans.get(axis, (0, 1024))) for axis in "xyz"), Span(0, 1))


def lease(body: str, *, receipt: str = FORMAT_OF_SQS, for_s: float = 170.0) -> Lease:
    return Lease("5fea7756-0ea4-451a-a703-a558b933e274", receipt, body, 1000.0 + for_s, 1)


def tile_message(z: int = 3, **of_lease: object) -> Lease:
    tile, chunk = TileKey(IDS, 0, 1, 0, z, 0), ChunkKey(16, IDS, 0, 1, 0, z // 16, 0)
    body = json.dumps({"tile_key": tile.encode(), "chunk_key": chunk.encode()})
    return lease(body, **of_lease)  # type: ignore[arg-type]  # whatever a test changes


def chunk_message(origin_zyx: tuple[int, int, int] = (0, 0, 0)) -> Lease:
    z, y, x = origin_zyx
    cuboids = [
        {"x": ox, "y": oy, "z": oz, "key": cuboid_key((z + oz, y + oy, x + ox))}
        for oz in (0, 16)
        for oy in (0, 512)
        for ox in (0, 512)
    ]
    index = ChunkKey(1, IDS, 0, x // 1024, y // 1024, z // 32, 0)
    return lease(json.dumps({"chunk_key": index.encode(), "cuboids": cuboids}))


def cuboid_key(origin_zyx: tuple[int, int, int]) -> str:
    z, y, x = origin_zyx
    return CuboidKey(IDS, 0, 0, morton(x // 512, y // 512, z // 16)).encode()


def size_of(metadata: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in metadata.items())


@in_warped_time
async def test_the_index_message_is_the_long_form_of_the_metadata() -> None:
    bench = Bench()
    message = tile_message()
    await bench.tiles().store(message)
    ((key, stored),) = bench.bucket.objects.items()
    (sent,) = bench.index.bodies
    assert json.loads(sent) == {
        "chunk_key": json.loads(message.body)["chunk_key"],
        "tile_key": key,
        "ingest_job": 7,
        "parameters": PARAMETERS,
        "x_size": 512,
        "y_size": 512,
    }
    assert stored.metadata == {
        "message_id": message.message_id,
        "receipt_handle": message.receipt,
        "metadata": sent,
    }
    assert " " not in sent
    assert sent.isascii()


@pytest.mark.parametrize("spare", [0, -1])
def test_metadata_of_exactly_2000_bytes_is_sent_long_and_one_byte_more_short(spare: int) -> None:
    @in_warped_time
    async def check() -> None:
        bench = Bench()
        await bench.tiles().store(tile_message(receipt=""))
        (first,) = bench.bucket.objects.values()
        room = 2000 - size_of(first.metadata) - spare
        await bench.tiles().store(tile_message(receipt="r" * room))
        (stored,) = bench.bucket.objects.values()
        sizes = {"x_size": 512, "y_size": 512}
        if spare == 0:
            assert size_of(stored.metadata) == 2000
            assert json.loads(stored.metadata["metadata"])["ingest_job"] == 7
        else:
            assert json.loads(stored.metadata["metadata"]) == sizes
        assert {"message_id", "receipt_handle"} <= stored.metadata.keys()
        assert json.loads(bench.index.bodies[-1])["parameters"] == PARAMETERS, "the message is always long"

    check()


@in_warped_time
async def test_names_of_sixty_characters_do_not_make_the_metadata_too_large() -> None:
    bench = Bench({**PARAMETERS, "resource": {"names": ["n" * 60] * 3, "settings": "s" * 1400}})
    await bench.tiles().store(tile_message())
    (stored,) = bench.bucket.objects.values()
    assert size_of(stored.metadata) <= 2000
    assert json.loads(stored.metadata["metadata"]) == {"x_size": 512, "y_size": 512}


@in_warped_time
async def test_no_index_message_is_sent_for_a_tile_that_is_not_stored() -> None:
    bench = Bench()
    message = tile_message()
    bench.refusals[json.loads(message.body)["tile_key"]] = [RefusedError("AllAccessDisabled")]
    with pytest.raises(RefusedError):
        await bench.tiles().store(message)
    assert bench.index.bodies == []
    assert (bench.tally.objects, bench.tally.passed_through) == (0, 0)


@in_warped_time
async def test_a_tile_is_not_done_when_its_index_message_is_refused() -> None:
    bench = Bench()
    bench.index.delete()
    with pytest.raises(QueueGoneError):
        await bench.tiles().store(tile_message())
    assert len(bench.bucket.objects) == 1


@in_warped_time
async def test_a_made_up_tile_is_counted_and_told() -> None:
    bench = Bench()
    await bench.tiles(made_up="slices/s0003.png is missing").store(tile_message())
    assert (bench.tally.substituted, bench.tally.passed_through) == (1, 0)
    (event,) = [event for event in bench.events if isinstance(event, Substituted)]
    assert event.what == "slices/s0003.png is missing"


@in_warped_time
async def test_a_chunk_is_read_once_and_each_cuboid_is_stored_under_its_key() -> None:
    bench = Bench()
    message = chunk_message()
    await bench.chunks().store(message)
    assert len(bench.reads) == 1
    listed = json.loads(message.body)["cuboids"]
    assert bench.bucket.objects.keys() == {entry["key"] for entry in listed}
    for entry in listed:
        stored = bench.bucket.objects[entry["key"]]
        voxels = decompress(stored.body, dtype="uint8", shape=(16, 512, 512))
        offset = entry["z"], entry["y"], entry["x"]
        assert np.array_equal(voxels, cuboid_of(Cuboid(entry["key"], offset)))
        assert json.loads(stored.metadata["metadata"]) == {
            "ingest_job": 7,
            "chunk_key": json.loads(message.body)["chunk_key"],
            "parameters": PARAMETERS,
        }


@in_warped_time
async def test_cuboid_metadata_too_long_for_s3_keeps_the_job_id() -> None:
    bench = Bench({"resource": "r" * 2000})
    await bench.chunks().store(chunk_message())
    for stored in bench.bucket.objects.values():
        assert json.loads(stored.metadata["metadata"]) == {"ingest_job": 7}


@pytest.mark.parametrize("kind", [RefusedError, TransientError, CredentialsError, ThrottledError])
def test_a_chunk_whose_last_cuboid_fails_is_not_done_though_the_others_are_stored(
    kind: type[IngestError],
) -> None:
    @in_warped_time
    async def check() -> None:
        bench = Bench()
        last = cuboid_key((16, 512, 512))
        bench.refusals[last] = [kind("not this one")] * 10_000
        with pytest.raises(kind):
            await bench.chunks().store(chunk_message())
        assert len(bench.bucket.objects) == 7
        assert last not in bench.bucket.objects

    check()


@in_warped_time
async def test_the_error_that_ends_the_run_is_told_before_those_of_single_cuboids() -> None:
    bench = Bench()
    bench.refusals[cuboid_key((0, 0, 0))] = [RefusedError("EntityTooLarge")]
    bench.refusals[cuboid_key((16, 512, 512))] = [QueueGoneError("gone")]
    with pytest.raises(QueueGoneError):
        await bench.chunks().store(chunk_message())


@pytest.mark.parametrize(("include_outside", "stored"), [(False, 2), (True, 8)])
def test_cuboids_outside_the_extent_are_left_alone_unless_asked_for(
    include_outside: bool, stored: int
) -> None:
    @in_warped_time
    async def check() -> None:
        bench = Bench()
        bench.facts = JobFacts(7, extent(x=(0, 600), y=(0, 300), z=(0, 5)), IDS, PARAMETERS)
        await bench.chunks(include_outside=include_outside).store(chunk_message())
        assert len(bench.bucket.objects) == stored
        assert bench.tally.skipped_outside == 8 - stored
        assert bench.reads[0].needed_zyx == (5, 300, 600)

    check()


@in_warped_time
async def test_a_line_too_thin_for_all_puts_at_once_gets_fewer_until_it_carries_them() -> None:
    """64 cuboids of 4 MiB at once on 10 Mbit/s all ran out of time together, again and again."""

    class Thin:
        in_flight = 0

        async def put(self, key: str, body: Body, *, metadata: Mapping[str, str]) -> Stored:
            self.in_flight += 1
            try:
                await asyncio.sleep(100.0)
                if self.in_flight > 4:
                    raise TransientError("no answer within 100 s", code="Timeout")
                return Stored(key, size_bytes(body), "etag")
            finally:
                self.in_flight -= 1

    bench = Bench()
    store = Store(Thin(), PutLimiter(64), bench.retry, bench.tally)
    async with asyncio.TaskGroup() as group:
        for number in range(64):
            group.create_task(store.put(f"key {number}", b"x", metadata={}, until_s=float("inf")))
    assert bench.tally.objects == 64


async def test_a_chunk_that_is_done_again_is_counted_once() -> None:
    bench = Bench()
    path = bench.chunks()
    bench.chunk.made_up, bench.chunk.converted = "no a.h5", True
    bench.refusals[cuboid_key((0, 0, 0))] = [RefusedError("no")]
    with pytest.raises(RefusedError):
        await path.store(chunk_message())
    assert (bench.tally.substituted, bench.tally.converted, bench.events) == (0, 0, [])
    await path.store(chunk_message())
    assert (bench.tally.substituted, bench.tally.converted) == (1, 1)
    assert [type(event) for event in bench.events] == [Substituted, Converted]
