"""Reading voxels back over HTTP (docs/protocol.md, "Reading back")."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from aiohttp import web

from boss_ingest.boss.keys import LookupIds
from boss_ingest.local.cutout import assemble, cuboid_keys
from boss_ingest.local.resource_store import MissingResource
from boss_ingest.local.rest_errors import BossError, invalid_cutout, not_found, system_error
from boss_ingest.local.settings import CUBOID_BUCKET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from boss_ingest.local.cutout import Box
    from boss_ingest.local.resource_store import ChannelPath
    from boss_ingest.local.rest import Asked
    from boss_ingest.local.state import State

MOST_BYTES = 520 << 20
_MOST_BLOSC_BYTES = (1 << 31) - 1 - 16
_ITEM_BYTES = {"uint8": 1, "uint16": 2, "uint32": 4, "uint64": 8}
_COUNTED_BYTES = {"uint8": 1, "uint16": 2, "uint32": 4, "uint64": 2}  # uint64 counts a quarter


class CutoutEndpoint:
    """Answers cutouts as blosc buffers."""

    def __init__(self, state: State, threads: Executor) -> None:
        self._state = state
        self._threads = threads
        self.handlers: dict[str, Callable[[Asked], Awaitable[web.Response]]] = {"cutout": self._cutout}

    async def _cutout(self, asked: Asked) -> web.Response:
        if asked.user is None:
            raise BossError(403, 3001, "Missing read_volumetric_data permissions on the resource")
        if "application/blosc" not in asked.accept:
            raise BossError(406, 0, "", body={"detail": "Could not satisfy the request Accept header."})
        if "access-mode" in asked.query and "no-cache" in asked.query:
            raise invalid_cutout("Only one of access-mode and no-cache may be given")
        collection, experiment, channel, resolution = asked.path[:4]
        try:
            path = self._state.resources.channel(collection, experiment, channel)
        except MissingResource as missing:
            raise not_found(missing.name) from None
        x, y, z, *t = _pairs(asked.path[4:])
        box = (z, y, x)
        samples = t[0] if t else (path.channel.fields["default_time_sample"],) * 2
        if not t:
            samples = (samples[0], samples[0] + 1)
        dtype = path.channel.fields["datatype"]
        _check(path, box, samples, int(resolution), dtype)
        parts = [self._files(path, int(resolution), sample, box) for sample in range(*samples)]
        try:
            body = await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: assemble(parts, box, dtype=dtype, with_time=bool(t))
            )
        except ValueError as error:
            raise system_error(f"A stored cuboid cannot be read: {error}") from None
        return web.Response(body=body, content_type="application/blosc")

    def _files(
        self, path: ChannelPath, resolution: int, t: int, box: Box
    ) -> list[tuple[tuple[int, int, int], Path]]:
        ids = LookupIds.parse(path.lookup_key)
        found = []
        for corner, key in cuboid_keys(ids, resolution, t, box):
            stored = self._state.objects.get(CUBOID_BUCKET, f"{key}&0")
            if stored is not None:
                found.append((corner, stored.path))
        return found


def _check(path: ChannelPath, box: Box, samples: tuple[int, int], resolution: int, dtype: str) -> None:
    frame, experiment, base = (
        path.frame.fields,
        path.experiment.fields,
        path.channel.fields["base_resolution"],
    )
    for axis, (start, stop) in zip("zyx", box, strict=True):
        shrunk = 1 << max(0, resolution - base)
        if (
            not frame[f"{axis}_start"] // shrunk
            <= start
            < stop
            <= -(-frame[f"{axis}_stop"] // (1 if axis == "z" else shrunk))
        ):
            raise invalid_cutout(f"Invalid {axis} range {start}:{stop}: outside of the coordinate frame")
    if not 0 <= samples[0] < samples[1] <= experiment["num_time_samples"]:
        raise invalid_cutout(f"Invalid time range {samples[0]}:{samples[1]}")
    if not base <= resolution < base + experiment["num_hierarchy_levels"]:
        raise invalid_cutout(f"Invalid resolution {resolution}")
    voxels = math.prod(stop - start for start, stop in (*box, samples))
    if voxels * _COUNTED_BYTES[dtype] > MOST_BYTES or voxels * _ITEM_BYTES[dtype] > _MOST_BLOSC_BYTES:
        raise BossError(413, 2000, "Cutout request is too large")


def _pairs(numbers: tuple[str, ...]) -> list[tuple[int, int]]:
    return [(int(start), int(stop)) for start, stop in zip(numbers[::2], numbers[1::2], strict=True)]
