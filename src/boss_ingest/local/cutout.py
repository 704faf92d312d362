"""Voxels out of stored cuboids; slow, so it runs in a thread (docs/protocol.md, "Reading back")."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import blosc
import numpy as np

from boss_ingest.boss.keys import CUBOID_ZYX, CuboidKey, LookupIds, morton
from boss_ingest.local.tile_cutting import compress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Half open ranges of voxels in z, y and x."""


def cuboid_keys(
    ids: LookupIds, resolution: int, t: int, box_zyx: Box
) -> Iterator[tuple[tuple[int, int, int], str]]:
    """The cuboids that a box touches: the voxel at the low corner (z, y, x), and the key."""
    ranges = [
        range(start // size, -(-stop // size))
        for (start, stop), size in zip(box_zyx, CUBOID_ZYX, strict=True)
    ]
    for z, y, x in product(*ranges):
        corner = (z * CUBOID_ZYX[0], y * CUBOID_ZYX[1], x * CUBOID_ZYX[2])
        yield corner, CuboidKey(ids, resolution, t, morton(x, y, z)).encode()


def assemble(
    parts: list[list[tuple[tuple[int, int, int], Path]]], box_zyx: Box, *, dtype: str, with_time: bool
) -> bytes:
    """A blosc buffer of the box, C order, `[t]zyx`: zeros where there is no cuboid.

    `parts` lists, for each time sample, the corners and files of the cuboids that exist. Raises ValueError
    when one of them does not hold a cuboid of this dtype.
    """
    shape = tuple(stop - start for start, stop in box_zyx)
    volume = np.zeros((len(parts), *shape), dtype=dtype)
    for sample, files in zip(volume, parts, strict=True):
        for corner, path in files:
            cuboid = np.frombuffer(_decompress(path.read_bytes()), dtype=dtype).reshape(CUBOID_ZYX)
            target, source = [], []
            for low, size, (start, stop) in zip(corner, CUBOID_ZYX, box_zyx, strict=True):
                first, last = max(low, start), min(low + size, stop)
                target.append(slice(first - start, last - start))
                source.append(slice(first - low, last - low))
            sample[tuple(target)] = cuboid[tuple(source)]
    return compress(volume if with_time else volume[0])


def _decompress(buffer: bytes) -> bytes:
    try:
        return bytes(blosc.decompress(buffer))
    except blosc.blosc_extension.error as error:
        raise ValueError(str(error)) from error
