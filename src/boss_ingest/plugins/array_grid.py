"""How boxes lie to the stored chunks of an array that is open in tensorstore."""

from __future__ import annotations

import asyncio
import itertools
import math
from typing import TYPE_CHECKING, Any

from boss_ingest.plugins.array_failures import FAILURES, is_missing_chunk

if TYPE_CHECKING:
    from collections.abc import Sequence

_ZYX = tuple[int, int, int]
_MOST_CHUNKS_ASKED = 4096


def is_of_whole_chunks(array: Any, start: _ZYX, stop: _ZYX) -> bool:
    """Whether no stored chunk has a part in the box and another outside: none is asked for again."""
    ends = array.domain.inclusive_min, array.domain.exclusive_max
    return end_with_chunks(array, [(start, stop)], besides=ends)


def end_with_chunks(
    array: Any, boxes: Sequence[tuple[_ZYX, _ZYX]], besides: tuple[Sequence[int], Sequence[int]]
) -> bool:
    """Whether boxes end on all sides where stored chunks do, or at the lows and highs that are besides."""
    layout = array.chunk_layout
    if layout.write_chunk.shape != layout.read_chunk.shape:
        return False  # many in a shard, whose index is worth keeping
    return all(
        at == end or (at - origin) % size == 0
        for box in boxes
        for corner, ends in zip(box, besides, strict=True)
        for at, end, origin, size in zip(
            corner, ends, layout.grid_origin, layout.read_chunk.shape, strict=True
        )
    )


async def none_is_stored(part: Any, *, within_s: float) -> bool:
    """Whether all stored chunks of the part are missing; not when that cannot be found out `within_s`.

    Asks for each, as not every store can list them.
    """
    layout = part.chunk_layout
    steps = [
        range(low - (low - origin) % size, high, size)
        for low, high, origin, size in zip(
            part.domain.inclusive_min,
            part.domain.exclusive_max,
            layout.grid_origin,
            layout.read_chunk.shape,
            strict=True,
        )
    ]
    if math.prod(map(len, steps)) > _MOST_CHUNKS_ASKED:
        return False
    try:
        async with asyncio.timeout(within_s):
            for corner in itertools.product(*steps):
                inside = zip(corner, part.domain.inclusive_min, strict=True)
                try:
                    await part[tuple(max(at, low) for at, low in inside)].read()
                except FAILURES as error:
                    if not is_missing_chunk(error):
                        return False
                else:
                    return False
    except TimeoutError:
        return False
    return True
