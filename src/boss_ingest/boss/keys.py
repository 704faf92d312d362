"""The Boss's keys: how tiles, chunks and cuboids are named in messages and buckets.

Every key is `md5hex(base) & base`, where `base` joins decimal fields with `&`; decoders ignore the hash
(docs/protocol.md, "Keys"). Clients only decode; whoever fills a queue encodes.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

CUBOID_ZYX = (16, 512, 512)
"""Shape of a cuboid in voxels, at every resolution."""

_MORTON_BITS = 21


@dataclass(frozen=True, slots=True)
class LookupIds:
    """The database ids of a channel: collection, experiment, channel."""

    collection: int
    experiment: int
    channel: int

    @classmethod
    def parse(cls, lookup_key: str) -> Self:
        """From `4&9&27`. Raises ValueError when it is not three decimal ids."""
        return cls(*_decimals(lookup_key.split("&"), count=3))

    def __str__(self) -> str:
        return f"{self.collection}&{self.experiment}&{self.channel}"


@dataclass(frozen=True, slots=True)
class TileKey:
    """Names one tile: absolute tile indices in x and y, absolute slice z, absolute time sample t."""

    ids: LookupIds
    resolution: int
    x: int
    y: int
    z: int
    t: int

    @classmethod
    def decode(cls, key: str) -> Self:
        """Read a tile key. Raises ValueError when it is not one."""
        fields = _fields(key, count=8)
        return cls(LookupIds(*fields[:3]), *fields[3:])

    def encode(self) -> str:
        """The key as it stands in messages, and in the tile bucket."""
        return _hashed(f"{self.ids}&{self.resolution}&{self.x}&{self.y}&{self.z}&{self.t}")


@dataclass(frozen=True, slots=True)
class ChunkKey:
    """Names one chunk: its absolute chunk indices, and how many tiles deep it is (1 in volumetric jobs)."""

    num_tiles: int
    ids: LookupIds
    resolution: int
    x: int
    y: int
    z: int
    t: int

    @classmethod
    def decode(cls, key: str) -> Self:
        """Read a chunk key. Raises ValueError when it is not one."""
        fields = _fields(key, count=9)
        return cls(fields[0], LookupIds(*fields[1:4]), *fields[4:])

    def encode(self) -> str:
        """The key as it stands in messages."""
        return _hashed(f"{self.num_tiles}&{self.ids}&{self.resolution}&{self.x}&{self.y}&{self.z}&{self.t}")


@dataclass(frozen=True, slots=True)
class CuboidKey:
    """Names one cuboid by the Morton code of its cuboid indices; also its key in the ingest bucket."""

    ids: LookupIds
    resolution: int
    t: int
    morton: int

    @classmethod
    def decode(cls, key: str) -> Self:
        """Read a cuboid (object) key. Raises ValueError when it is not one."""
        fields = _fields(key, count=6)
        return cls(LookupIds(*fields[:3]), *fields[3:])

    def encode(self) -> str:
        """The key as it stands in messages, and in the ingest bucket."""
        return _hashed(f"{self.ids}&{self.resolution}&{self.t}&{self.morton}")

    @property
    def origin_zyx(self) -> tuple[int, int, int]:
        """The voxel at the cuboid's low corner."""
        x, y, z = demorton(self.morton)
        return z * CUBOID_ZYX[0], y * CUBOID_ZYX[1], x * CUBOID_ZYX[2]


def task_key(key: str) -> TileKey | ChunkKey | None:
    """The tile or chunk that a key names; None when it names neither."""
    kinds: tuple[type[TileKey | ChunkKey], ...] = (TileKey, ChunkKey)
    for kind in kinds:
        with suppress(ValueError):
            return kind.decode(key)
    return None


def morton(x: int, y: int, z: int) -> int:
    """Interleave three cuboid indices of up to 21 bits: x in bit 0, y in bit 1, z in bit 2."""
    if not all(0 <= index < 1 << _MORTON_BITS for index in (x, y, z)):
        raise ValueError(f"cuboid index ({x}, {y}, {z}) does not fit {_MORTON_BITS} bits an axis")
    return _spread(x) | _spread(y) << 1 | _spread(z) << 2


def demorton(code: int) -> tuple[int, int, int]:
    """The cuboid indices (x, y, z) of a Morton code."""
    if not 0 <= code < 1 << 3 * _MORTON_BITS:
        raise ValueError(f"{code} is not a Morton code of {_MORTON_BITS} bits an axis")
    return _gather(code), _gather(code >> 1), _gather(code >> 2)


def _spread(index: int) -> int:
    return sum((index >> bit & 1) << 3 * bit for bit in range(index.bit_length()))


def _gather(code: int) -> int:
    return sum((code >> 3 * bit & 1) << bit for bit in range(_MORTON_BITS))


def _hashed(base: str) -> str:
    return f"{hashlib.md5(base.encode(), usedforsecurity=False).hexdigest()}&{base}"


def _fields(key: str, *, count: int) -> list[int]:
    fields = _decimals(key.split("&")[1:], count=count)
    if not key.isascii():  # the hash is not looked at, but the key goes into URLs and headers as it is
        raise ValueError(f"{key!a} is not ASCII")
    return fields


def _decimals(parts: list[str], *, count: int) -> list[int]:
    if len(parts) != count or not (all(map(str.isdigit, parts)) and all(map(str.isascii, parts))):
        raise ValueError(f"expected {count} decimal fields joined with '&', found {'&'.join(parts)!r}")
    return [int(part) for part in parts]
