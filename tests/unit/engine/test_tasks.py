"""Messages as tasks: what is right is understood, what is wrong harms only itself."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boss_ingest.aws.queue import Lease
from boss_ingest.boss.keys import ChunkKey, CuboidKey, LookupIds, TileKey, morton
from boss_ingest.config.extent import Extent, Span
from boss_ingest.engine.tasks import key_of, parse_chunk_task, parse_tile_task
from boss_ingest.errors import MessageError

IDS = LookupIds(4, 9, 27)


def extent(x=(0, 2048), y=(0, 2048), z=(0, 40), t=(0, 1)) -> Extent:
    return Extent(Span(*x), Span(*y), Span(*z), Span(*t))


def lease(body: str) -> Lease:
    return Lease(message_id="m-1", receipt="r", body=body, deadline_s=1e9, deliveries=1)


def tile_message(x=0, y=0, z=0, t=0, ids=IDS) -> Lease:
    tile, chunk = TileKey(ids, 0, x, y, z, t), ChunkKey(16, ids, 0, x, y, z // 16, t)
    return lease(json.dumps({"tile_key": tile.encode(), "chunk_key": chunk.encode()}))


def chunk_message(origin_xyz, size_xyz, ids=IDS, **changes) -> Lease:
    x, y, z = origin_xyz
    cuboids = [
        {
            "x": ox, "y": oy, "z": oz,
            "key": CuboidKey(ids, 0, 0, morton((x + ox) // 512, (y + oy) // 512, (z + oz) // 16)).encode(),
        }
        for oz in range(0, size_xyz[2], 16)
        for oy in range(0, size_xyz[1], 512)
        for ox in range(0, size_xyz[0], 512)
    ]  # fmt: skip
    index = ChunkKey(1, ids, 0, *(at // size for at, size in zip(origin_xyz, size_xyz, strict=True)), 0)
    return lease(json.dumps({"chunk_key": index.encode(), "cuboids": cuboids, **changes}))


def parse_tile(message: Lease, **changes):
    return parse_tile_task(message, **{"extent": extent(), "tile_yx": (512, 512), "ids": IDS, **changes})


def parse_chunk(message: Lease, **changes):
    options = {"extent": extent(), "chunk_zyx": (64, 1024, 1024), "ids": IDS, "include_outside": False}
    return parse_chunk_task(message, **{**options, **changes})


def test_a_tile_inside_needs_all_its_pixels() -> None:
    task = parse_tile(tile_message(x=3, y=1, z=39))
    assert (task.index.x, task.index.y, task.index.z) == (3, 1, 39)
    assert task.needed_yx == (512, 512)


def test_an_edge_tile_needs_only_what_lies_inside_the_extent() -> None:
    task = parse_tile(tile_message(x=3, y=1), extent=extent(x=(0, 1600), y=(0, 700)))
    assert task.needed_yx == (188, 64)


@pytest.mark.parametrize("where", [{"x": 4}, {"y": 4}, {"z": 40}, {"t": 1}])
def test_a_tile_outside_the_extent_is_refused(where: dict) -> None:
    with pytest.raises(MessageError, match="outside the extent"):
        parse_tile(tile_message(**where))


def test_a_tile_of_another_channel_is_refused() -> None:
    with pytest.raises(MessageError, match="4&9&28"):
        parse_tile(tile_message(ids=LookupIds(4, 9, 28)))


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "7", "{}", '{"tile_key": 1}', '{"tile_key": "a&b", "chunk_key": "c"}']
)
def test_a_message_that_makes_no_sense_names_itself(body: str) -> None:
    with pytest.raises(MessageError, match="m-1"):
        parse_tile(lease(body))


@given(st.text(max_size=300))
def test_no_text_crashes_the_parsers(body: str) -> None:
    for parse in (parse_tile, parse_chunk):
        with pytest.raises(MessageError):
            parse(lease(body))
    assert isinstance(key_of(lease(body)), str)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz") | st.just("key"), inner)
    ),
    max_leaves=10,
)


@given(json_values)
def test_no_list_of_cuboids_crashes_the_parser(cuboids: object) -> None:
    message = json.dumps({"chunk_key": ChunkKey(1, IDS, 0, 0, 0, 0, 0).encode(), "cuboids": cuboids})
    with pytest.raises(MessageError):
        parse_chunk(lease(message))


@pytest.mark.parametrize("key", [5, None, "\ud800&4&9&27&0&0&0", "ü&4&9&27&0&0&0"])
def test_a_cuboid_whose_key_no_bucket_takes_is_refused(key: object) -> None:
    cuboids = [{"x": 0, "y": 0, "z": 0, "key": key}]
    with pytest.raises(MessageError):
        parse_chunk(chunk_message((0, 0, 0), (1024, 1024, 64), cuboids=cuboids))


def test_a_tile_whose_key_no_bucket_takes_is_refused() -> None:
    message = json.loads(tile_message().body)
    message["tile_key"] = "\ud800" + message["tile_key"]
    with pytest.raises(MessageError):
        parse_tile(lease(json.dumps(message)))


def test_a_tile_whose_key_has_another_hash_is_refused() -> None:
    message = json.loads(tile_message().body)
    message["tile_key"] = "../../elsewhere" + message["tile_key"][32:]
    with pytest.raises(MessageError, match="not spelt as the Boss spells it"):
        parse_tile(lease(json.dumps(message)))


@pytest.mark.parametrize(
    ("own", "why"),
    [({"resolution": 1}, "resolution 0, this job is for resolution 1"), ({"job_id": 8}, "of job 7")],
)
def test_a_message_of_another_resolution_or_job_is_refused(own: dict, why: str) -> None:
    tile, chunk = tile_message(), chunk_message((0, 0, 0), (1024, 1024, 64), job_id=7)
    with pytest.raises(MessageError, match=why):
        parse_tile(lease(json.dumps(json.loads(tile.body) | {"job_id": 7})), **own)
    with pytest.raises(MessageError, match=why):
        parse_chunk(chunk, **own)


def test_a_tile_that_is_not_in_its_chunk_is_refused() -> None:
    message = json.loads(tile_message(x=1).body)
    message["chunk_key"] = json.loads(tile_message(x=2).body)["chunk_key"]
    with pytest.raises(MessageError, match="not in its chunk"):
        parse_tile(lease(json.dumps(message)))


def test_a_cuboid_listed_twice_is_refused() -> None:
    message = json.loads(chunk_message((0, 0, 0), (1024, 1024, 64)).body)
    message["cuboids"] = message["cuboids"][:1] * 16
    with pytest.raises(MessageError, match="some are the same"):
        parse_chunk(lease(json.dumps(message)))


@pytest.mark.parametrize(("times", "why"), [(17, "there are 17, and a chunk has 16"), (10**6, "long")])
def test_more_cuboids_than_a_chunk_has_are_refused(times: int, why: str) -> None:
    message = json.loads(chunk_message((0, 0, 0), (1024, 1024, 64)).body)
    message["cuboids"] = message["cuboids"][:1] * times
    with pytest.raises(MessageError, match=why):
        parse_chunk(lease(json.dumps(message)))


def test_a_chunk_of_another_time_sample_is_refused() -> None:
    cuboids = [{"x": 0, "y": 0, "z": 0, "key": CuboidKey(IDS, 0, 1, 0).encode()}]
    with pytest.raises(MessageError, match="time sample"):
        parse_chunk(chunk_message((0, 0, 0), (1024, 1024, 64), cuboids=cuboids))


@pytest.mark.parametrize("trick", ["\x1b[2J\x1b[1;1H", "\ud800", "\r\n", "\u202e"])
def test_what_is_said_of_a_message_can_always_be_printed_and_is_short(trick: str) -> None:
    message = lease(json.dumps({"tile_key": trick + "k" * 100_000, "chunk_key": "c"}))
    with pytest.raises(MessageError) as caught:
        parse_tile(message)
    for said in (str(caught.value), key_of(message), key_of(lease(trick))):
        assert len(said) < 700
        assert said.replace("\n", "").isprintable()


def test_a_message_nested_too_deep_to_read_harms_only_itself() -> None:
    body = "[" * 100_000
    for parse in (parse_tile, parse_chunk):
        with pytest.raises(MessageError):
            parse(lease(body))
    assert key_of(lease(body)) == "[" * 80


def test_a_chunk_is_clipped_to_the_extent_and_leaves_out_cuboids_beyond_it() -> None:
    task = parse_chunk(chunk_message((1024, 0, 0), (1024, 1024, 64)), extent=extent(x=(0, 1500), z=(0, 20)))
    assert task.origin_zyx == (0, 0, 1024)
    assert task.stop_zyx == (20, 1024, 1500)
    assert task.needed_zyx == (20, 1024, 476)
    assert {cuboid.offset_zyx for cuboid in task.cuboids} == {
        (0, 0, 0),
        (0, 512, 0),
        (16, 0, 0),
        (16, 512, 0),
    }
    assert task.outside == 12


def test_cuboids_beyond_the_extent_are_kept_when_asked_for() -> None:
    task = parse_chunk(
        chunk_message((1024, 0, 0), (1024, 1024, 64)), extent=extent(x=(0, 1500)), include_outside=True
    )
    assert len(task.cuboids) == 16
    assert task.outside == 0


def test_the_origin_of_a_chunk_with_an_unaligned_start_comes_from_its_cuboids() -> None:
    """The chunk's index is floored: index × chunk size would read 512 voxels too far left."""
    task = parse_chunk(
        chunk_message((1536, 0, 16), (1024, 1024, 64)), extent=extent(x=(512, 2048), z=(16, 40))
    )
    assert task.index.x == 1
    assert task.origin_zyx == (16, 0, 1536)


def test_cuboids_that_belong_to_different_chunks_are_refused() -> None:
    first, second = (
        json.loads(chunk_message(origin, (1024, 1024, 64)).body) for origin in ((0, 0, 0), (1024, 0, 0))
    )
    first["cuboids"][1] = second["cuboids"][1]
    with pytest.raises(MessageError, match="do not belong to one chunk"):
        parse_chunk(lease(json.dumps(first)))


def test_a_chunk_outside_the_extent_is_refused() -> None:
    with pytest.raises(MessageError, match="outside the extent"):
        parse_chunk(chunk_message((2048, 0, 0), (1024, 1024, 64)))


def test_a_chunk_of_another_size_is_refused() -> None:
    with pytest.raises(MessageError, match=r"a chunk has|outside a chunk"):
        parse_chunk(chunk_message((0, 0, 0), (1024, 1024, 64)), chunk_zyx=(64, 512, 512))


def test_the_key_of_any_message_is_something_to_call_it_by() -> None:
    assert key_of(tile_message(x=1)) == TileKey(IDS, 0, 1, 0, 0, 0).encode()
    assert key_of(lease("no json at all")) == "no json at all"
