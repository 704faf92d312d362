"""Queue messages as tasks: what one message of the upload queue asks for, checked against the job.

Messages are untrusted: whatever does not decode, belongs to another job or channel or lies outside the extent
is a MessageError and harms only itself (docs/protocol.md, "Tasks"). Keys go into URLs as they are, so each
must be letter for letter what its fields amount to.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from boss_ingest.aws.queue import Lease
from boss_ingest.boss.keys import CUBOID_ZYX, ChunkKey, CuboidKey, LookupIds, TileKey
from boss_ingest.config.extent import Extent
from boss_ingest.errors import MessageError

_ZYX = tuple[int, int, int]
_Key = TileKey | ChunkKey | CuboidKey
_LONGEST_SAID = 300  # characters of a message that are repeated to a person
_LONGEST_BODY = 1 << 20  # characters; SQS takes no longer message


@dataclass(frozen=True, slots=True)
class TileTask:
    """One tile: where it belongs, and the part of it (rows, columns) that lies inside the extent."""

    key: str
    chunk_key: str
    index: TileKey
    needed_yx: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cuboid:
    """One cuboid of a chunk: its key in the bucket and its low corner inside the chunk, in voxels."""

    key: str
    offset_zyx: _ZYX


@dataclass(frozen=True, slots=True)
class ChunkTask:
    """One chunk: its absolute origin, the box to read (clipped to the extent), the cuboids to store.

    `index` is the chunk's index as the server floors it; only readers written for the original client
    use it.
    """

    key: str
    index: ChunkKey
    origin_zyx: _ZYX
    stop_zyx: _ZYX
    cuboids: tuple[Cuboid, ...]
    outside: int  # cuboids left out because they lie wholly outside the extent

    @property
    def needed_zyx(self) -> _ZYX:
        """Shape of the part of the chunk that lies inside the extent."""
        z, y, x = (stop - start for start, stop in zip(self.origin_zyx, self.stop_zyx, strict=True))
        return z, y, x


def parse_tile_task(
    lease: Lease,
    *,
    extent: Extent,
    tile_yx: tuple[int, int],
    ids: LookupIds | None,
    resolution: int | None = None,
    job_id: int | None = None,
) -> TileTask:
    """What a message of a tile job asks for; what is None is not compared. Raises MessageError."""
    message = _decode(lease)
    key, chunk_key = _text(message, "tile_key", lease), _text(message, "chunk_key", lease)
    try:
        index = TileKey.decode(key)
        chunk = ChunkKey.decode(chunk_key)
    except ValueError as error:
        raise _senseless(lease, f"its key does not decode: {error}") from error
    _check_own(lease, message, [(key, index), (chunk_key, chunk)], ids, resolution, job_id)
    if (index.x, index.y, index.t) != (chunk.x, chunk.y, chunk.t):
        raise _senseless(lease, f"its tile {key} is not in its chunk {chunk_key}")
    start_y, start_x = index.y * tile_yx[0], index.x * tile_yx[1]
    inside = (
        start_x < extent.x.stop and start_x + tile_yx[1] > extent.x.start
        and start_y < extent.y.stop and start_y + tile_yx[0] > extent.y.start
        and extent.z.start <= index.z < extent.z.stop
        and extent.t.start <= index.t < extent.t.stop
    )  # fmt: skip
    if not inside:
        raise _senseless(lease, f"tile x={index.x} y={index.y} z={index.z} t={index.t} is outside the extent")
    needed_yx = min(tile_yx[0], extent.y.stop - start_y), min(tile_yx[1], extent.x.stop - start_x)
    return TileTask(key=key, chunk_key=chunk_key, index=index, needed_yx=needed_yx)


def parse_chunk_task(
    lease: Lease,
    *,
    extent: Extent,
    chunk_zyx: _ZYX,
    ids: LookupIds | None,
    include_outside: bool,
    resolution: int | None = None,
    job_id: int | None = None,
) -> ChunkTask:
    """What a message of a volumetric job asks for; what is None is not compared. Raises MessageError.

    The origin comes from the first cuboid's key, which is right for any start of the extent, not from
    the chunk's index, which is not (docs/protocol.md, "Tasks").
    """
    message = _decode(lease)
    key = _text(message, "chunk_key", lease)
    try:
        index = ChunkKey.decode(key)
        listed = [_cuboid(entry) for entry in _entries(message, chunk_zyx)]
        keys = [CuboidKey.decode(cuboid.key) for cuboid in listed]
        corners = {
            tuple(a - o for a, o in zip(key.origin_zyx, cuboid.offset_zyx, strict=True))
            for cuboid, key in zip(listed, keys, strict=True)
        }
    except (KeyError, TypeError, ValueError) as error:
        raise _senseless(lease, f"its cuboids do not decode: {error!r}") from error
    if len(corners) != 1:
        raise _senseless(lease, f"its {len(listed)} cuboids do not belong to one chunk")
    if len(set(keys)) < len(keys):
        raise _senseless(lease, f"of its {len(listed)} cuboids some are the same")
    named: list[tuple[str, _Key]] = [(c.key, read) for c, read in zip(listed, keys, strict=True)]
    _check_own(lease, message, [(key, index), *named], ids, resolution, job_id)
    if index.t or any(each.t for each in keys):
        raise _senseless(lease, "it is for another time sample than 0")
    if any(not 0 <= o < size for c in listed for o, size in zip(c.offset_zyx, chunk_zyx, strict=True)):
        raise _senseless(lease, f"a cuboid lies outside a chunk of {_shape(chunk_zyx)} (z, y, x)")

    origin_z, origin_y, origin_x = origin = corners.pop()
    starts = extent.z.start, extent.y.start, extent.x.start
    stops = extent.z.stop, extent.y.stop, extent.x.stop
    if any(not start <= at < stop for start, at, stop in zip(starts, origin, stops, strict=True)):
        raise _senseless(lease, f"its chunk starts at voxel z={origin_z} y={origin_y} x={origin_x}, "
                                "outside the extent")  # fmt: skip
    stop_z, stop_y, stop_x = (
        min(at + size, stop) for at, size, stop in zip(origin, chunk_zyx, stops, strict=True)
    )
    wanted = [c for c, key in zip(listed, keys, strict=True) if include_outside or _touches(key, extent)]
    return ChunkTask(
        key=key,
        index=index,
        origin_zyx=(origin_z, origin_y, origin_x),
        stop_zyx=(stop_z, stop_y, stop_x),
        cuboids=tuple(wanted),
        outside=len(listed) - len(wanted),
    )


def key_of(lease: Lease) -> str:
    """What to call the task of any message, however broken: its key, or else the start of its text.

    Of printable characters, so that no message can play tricks on a terminal.
    """
    try:
        message = _decode(lease)
    except MessageError:
        message = {}
    keys = message.get("tile_key"), message.get("chunk_key")
    found = next((key for key in keys if key and isinstance(key, str)), lease.body[:80])
    return _plain(found, _LONGEST_SAID)


def _decode(lease: Lease) -> dict[str, Any]:
    if len(lease.body) > _LONGEST_BODY:
        raise _senseless(lease, f"it is {len(lease.body):,} characters long")
    try:
        message = json.loads(lease.body)
    except (ValueError, RecursionError) as error:
        raise _senseless(lease, f"it is not JSON: {error}") from error
    if not isinstance(message, dict):
        raise _senseless(lease, f"it is a JSON {type(message).__name__}, not an object")
    return message


def _text(message: dict[str, Any], name: str, lease: Lease) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise _senseless(lease, f"it has no {name}")
    return value


def _entries(message: dict[str, Any], chunk_zyx: _ZYX) -> list[Any]:
    entries = message["cuboids"]
    if not isinstance(entries, list):
        raise TypeError("they are no list")
    most = math.prod(-(-size // unit) for size, unit in zip(chunk_zyx, CUBOID_ZYX, strict=True))
    if len(entries) > most:
        raise ValueError(f"there are {len(entries):,}, and a chunk has {most:,}")
    return entries


def _cuboid(entry: dict[str, Any]) -> Cuboid:
    z, y, x = (entry[axis] for axis in "zyx")
    if not all(type(at) is int and at % size == 0 for at, size in zip((z, y, x), CUBOID_ZYX, strict=True)):
        raise ValueError(f"x={x!r} y={y!r} z={z!r} is not the corner of a cuboid")
    if not isinstance(entry["key"], str):
        raise TypeError(f"{entry['key']!r} is not the key of a cuboid")
    return Cuboid(key=entry["key"], offset_zyx=(z, y, x))


def _touches(key: CuboidKey, extent: Extent) -> bool:
    spans = extent.z, extent.y, extent.x
    return all(
        at < span.stop and at + size > span.start
        for at, size, span in zip(key.origin_zyx, CUBOID_ZYX, spans, strict=True)
    )


def _check_own(
    lease: Lease,
    message: dict[str, Any],
    keys: Sequence[tuple[str, _Key]],
    ids: LookupIds | None,
    resolution: int | None,
    job_id: int | None,
) -> None:
    """That the message is this job's, and its keys are written as the Boss writes them."""
    if job_id is not None and message.get("job_id", job_id) != job_id:
        raise _senseless(lease, f"it is of job {message['job_id']!r}, this is job {job_id}")
    for key, read in keys:
        if ids is not None and read.ids != ids:
            raise _senseless(lease, f"it is for channel {read.ids}, this job is for {ids}")
        if resolution is not None and read.resolution != resolution:
            raise _senseless(
                lease, f"it is for resolution {read.resolution}, this job is for resolution {resolution}"
            )
        if read.encode() != key:
            raise _senseless(lease, f"the key {key!r} is not spelt as the Boss spells it: {read.encode()}")


def _shape(zyx: _ZYX) -> str:
    return " × ".join(map(str, zyx))


def _senseless(lease: Lease, why: str) -> MessageError:
    return MessageError(
        f"queue message {lease.message_id} cannot be a task of this job: {_plain(why, _LONGEST_SAID)}",
        hint="it is left in the queue; if the job file is the right one, tell whoever runs the Boss",
    )


def _plain(text: str, longest: int) -> str:
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: longest + 1])
    return shown if len(text) <= longest else f"{shown[:longest]}…"
