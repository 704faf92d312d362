"""Queue messages as anybody may send them: a task inside the job, or a MessageError that can be printed."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from boss_ingest.aws.queue import Lease
from boss_ingest.boss.keys import ChunkKey, CuboidKey, LookupIds, TileKey, morton
from boss_ingest.cli.words import task_name
from boss_ingest.config.extent import Extent, Span
from boss_ingest.engine.tasks import key_of, parse_chunk_task, parse_tile_task
from boss_ingest.errors import MessageError
from tests.fuzz.mutation import fuzz, odd_json, rewritten, spoilt

IDS = LookupIds(4, 9, 27)
EXTENT = Extent(Span(0, 1600), Span(0, 700), Span(0, 40), Span(0, 2))
CHUNK_ZYX = (32, 512, 1024)


def tile(x: int, y: int, z: int, t: int) -> dict[str, Any]:
    keys = TileKey(IDS, 2, x, y, z, t), ChunkKey(16, IDS, 2, x, y, z // 16, t)
    return {"job_id": 7, "tile_key": keys[0].encode(), "chunk_key": keys[1].encode()}


def chunk(x: int) -> dict[str, Any]:
    cuboids = [
        {
            "x": ox,
            "y": 0,
            "z": oz,
            "key": CuboidKey(IDS, 2, 0, morton(2 * x + ox // 512, 0, oz // 16)).encode(),
        }
        for oz in (0, 16)
        for ox in (0, 512)
    ]
    return {"chunk_key": ChunkKey(1, IDS, 2, x, 0, 0, 0).encode(), "cuboids": cuboids}


GOOD = [tile(0, 0, 0, 0), tile(3, 1, 39, 1), chunk(0), chunk(1)]
BODIES = [json.dumps(message).encode() for message in GOOD]


def judge(body: str) -> None:
    """What the client does with a message; what it takes for a task lies inside the job."""
    lease = Lease(message_id="m-1", receipt="r", body=body, deadline_s=1e9, deliveries=1)
    own: dict[str, Any] = {"extent": EXTENT, "ids": IDS, "resolution": 2, "job_id": 7}
    with refused():
        task = parse_tile_task(lease, tile_yx=(512, 512), **own)
        assert (task.index.x, task.index.y, task.index.z, task.index.t) >= (0, 0, 0, 0)
        assert task.index.x < 4
        assert task.index.y < 2
        assert task.index.z < 40
        assert task.index.t < 2
        assert all(0 < needed <= 512 for needed in task.needed_yx)
        assert task.key in BODIES_TEXT or TileKey.decode(task.key).encode() == task.key
    for include_outside in (True, False):
        with refused():
            found = parse_chunk_task(lease, chunk_zyx=CHUNK_ZYX, include_outside=include_outside, **own)
            assert len(found.cuboids) <= 4
            assert all(0 < needed <= size for needed, size in zip(found.needed_zyx, CHUNK_ZYX, strict=True))
    name = key_of(lease)
    assert len(task_name(name)) < 400
    assert name.isprintable()
    name.encode()


BODIES_TEXT = b"".join(BODIES).decode()


class refused(suppress):  # noqa: N801 - reads like pytest.raises
    """Let a MessageError pass, if it can be shown to a person."""

    def __init__(self) -> None:
        super().__init__(MessageError)

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        if isinstance(error, MessageError):
            assert len(str(error)) < 700
            str(error).encode()
        return super().__exit__(kind, error, trace)


def test_what_the_boss_sends_is_understood() -> None:
    own: dict[str, Any] = {"extent": EXTENT, "ids": IDS, "resolution": 2, "job_id": 7}
    for number, body in enumerate(BODIES):
        lease = Lease(message_id="m-1", receipt="r", body=body.decode(), deadline_s=1e9, deliveries=1)
        if number < 2:
            assert parse_tile_task(lease, tile_yx=(512, 512), **own).key in BODIES_TEXT
        else:
            assert parse_chunk_task(lease, chunk_zyx=CHUNK_ZYX, include_outside=True, **own).cuboids


@fuzz
@given(rewritten(GOOD) | odd_json)
@example({"tile_key": "\ud800", "chunk_key": "\x1b[2J"})
@example({"chunk_key": GOOD[2]["chunk_key"], "cuboids": GOOD[2]["cuboids"] * 50_000})
@example({"chunk_key": GOOD[2]["chunk_key"], "cuboids": {"x": 1}})
@example({"chunk_key": GOOD[2]["chunk_key"], "cuboids": "cuboids"})
def test_no_json_crashes_the_parsers(message: Any) -> None:
    judge(json.dumps(message))


@fuzz
@given(spoilt(BODIES) | st.binary(max_size=200))
@example(b"[" * 100_000)
@example(b'{"job_id": ' + b"9" * 5000 + b"}")
@example(b'{"tile_key": NaN, "chunk_key": Infinity}')
def test_no_text_crashes_the_parsers(body: bytes) -> None:
    judge(body.decode(errors="surrogateescape"))


@fuzz
@given(
    st.text(st.sampled_from("0123456789abcdef&-+_ ./\u0661\ud800"), max_size=120),
    st.sampled_from([TileKey, ChunkKey, CuboidKey]),
)
@example("0" * 32 + "&1" * 3 + "&" + "9" * 5000 + "&1" * 2, CuboidKey)
@example("x&1&1&1&0&0&9223372036854775808", CuboidKey)
def test_a_key_decodes_or_raises_a_value_error(key: str, kind: type[TileKey | ChunkKey | CuboidKey]) -> None:
    with suppress(ValueError):
        read = kind.decode(key)
        assert kind.decode(read.encode()) == read
        if isinstance(read, CuboidKey):
            assert all(at >= 0 for at in read.origin_zyx)


@fuzz
@given(st.text(max_size=60))
def test_lookup_ids_are_read_or_raise_a_value_error(text: str) -> None:
    with suppress(ValueError):
        assert LookupIds.parse(str(LookupIds.parse(text))) == LookupIds.parse(text)
