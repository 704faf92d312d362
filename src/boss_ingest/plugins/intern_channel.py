"""One channel of a Boss as a volume: its datatype, its frame, its voxels (docs/protocol.md, "Reading back").

The Boss's cache is passed by: what is read is what is stored.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import struct
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from boss_ingest.errors import SourceError
from boss_ingest.plugins.reader import Box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from boss_ingest.plugins.intern_account import Account
    from boss_ingest.plugins.intern_requests import Requests

CUBOID_ZYX = (16, 512, 512)
REQUEST_BYTES = 32 << 20
"""Voxels asked for at once, decoded; a larger box is read in parts that end where stored cuboids end."""

_MOST_JSON_BYTES = 1 << 20
_BLOSC_HEADER_BYTES = 16
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}")


@dataclass(frozen=True, slots=True)
class Address:
    """A channel by its names, at one resolution."""

    collection: str
    experiment: str
    channel: str
    resolution: int = 0

    def __str__(self) -> str:
        return f"{self.collection}/{self.experiment}/{self.channel}/{self.resolution}"


class SourceChannel:
    """A channel that is there. Made by `open_channel`.

    `start_zyx` and `stop_zyx` are its coordinate frame, half open, in voxels of its resolution.
    """

    def __init__(self, requests: Requests, address: Address, where: str) -> None:
        self._requests = requests
        self._address = address
        self.where = where
        self.dtype = ""
        self.start_zyx = self.stop_zyx = (0, 0, 0)
        self.time_samples = 1

    async def learn(self) -> None:
        """Ask the Boss about the channel. Raises SourceError."""
        experiment_path = f"collection/{self._address.collection}/experiment/{self._address.experiment}"
        channel = await self._resource(f"{experiment_path}/channel/{self._address.channel}")
        experiment = await self._resource(experiment_path)
        frame = await self._resource(f"coord/{experiment.get('coord_frame')}")
        try:
            self.dtype = channel["datatype"]
            self.time_samples = int(experiment.get("num_time_samples") or 1)
            base = int(channel.get("base_resolution") or 0)
            levels = range(base, base + int(experiment.get("num_hierarchy_levels") or 1))
            shrink = 1 << max(0, self._address.resolution - base)
            shrink_z = shrink if experiment.get("hierarchy_method") == "isotropic" else 1
            by_zyx = (("z", shrink_z), ("y", shrink), ("x", shrink))
            start = [int(frame[f"{axis}_start"]) // by for axis, by in by_zyx]
            stop = [-(-int(frame[f"{axis}_stop"]) // by) for axis, by in by_zyx]
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"{self.where}: the Boss describes it in an unknown way: {error}") from error
        if self.dtype not in {"uint8", "uint16", "uint64"}:
            raise SourceError(f"{self.where} holds {self.dtype!r}, which no channel does")
        if self._address.resolution not in levels:
            raise SourceError(
                f"{self.where}: the experiment has resolutions {levels[0]} to {levels[-1]}",
                hint="correct the resolution under params",
            )
        self.start_zyx = start[0], start[1], start[2]
        self.stop_zyx = stop[0], stop[1], stop[2]

    async def read(self, box: Box, *, t: int | None = None) -> NDArray[Any]:
        """The voxels (zyx) of a box inside the frame, of sample t (None: the default). Raises SourceError."""
        import numpy as np

        whole = np.empty(box.shape_zyx, self.dtype)

        async def fill(part: Box) -> None:
            whole[within(part, box.start_zyx)] = await self._cutout(part, t)

        try:
            async with asyncio.TaskGroup() as filling:
                for part in _parts(box, whole.itemsize):
                    filling.create_task(fill(part))
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return whole

    def clip(self, box: Box) -> Box | None:
        """What of the box lies inside the frame; None when nothing does."""
        low = [max(*pair) for pair in zip(box.start_zyx, self.start_zyx, strict=True)]
        high = [min(*pair) for pair in zip(box.stop_zyx, self.stop_zyx, strict=True)]
        if any(start >= stop for start, stop in zip(low, high, strict=True)):
            return None
        return Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def locate(self, box: Box) -> str:
        """The channel and the box."""
        return f"{self.where}[{_spans(box)}]"

    def outside(self, box: Box) -> str:
        """That the box leaves the frame, said to a person."""
        size = " × ".join(map(str, self.stop_zyx))
        start = f" from {self.start_zyx}" if any(self.start_zyx) else ""
        return f"{self.where} has {size} voxels (z × y × x){start}, asked for is {_spans(box)}"

    async def close(self) -> None:
        """Let go of the connections."""
        await self._requests.close()

    async def _resource(self, path: str) -> dict[str, Any]:
        body = await self._requests.get(
            f"{path}/", accept="application/json", most_bytes=_MOST_JSON_BYTES, name=self.where
        )
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise SourceError(f"{self.where}: the host does not answer as a Boss does", hint="correct it")
        return data

    async def _cutout(self, box: Box, t: int | None) -> NDArray[Any]:
        import blosc
        import numpy as np
        from blosc.blosc_extension import error as BloscError  # noqa: N812 - the extension's own spelling

        spans = [f"{low}:{high}" for low, high in zip(box.start_zyx, box.stop_zyx, strict=True)][::-1]
        if t is not None:
            spans.append(f"{t}:{t + 1}")
        stored = np.dtype(self.dtype).newbyteorder("<")
        plain_bytes = math.prod(box.shape_zyx) * stored.itemsize
        name = self.locate(box)
        buffer = await self._requests.get(
            f"cutout/{self._address}/{'/'.join(spans)}/?access-mode=no-cache",
            accept="application/blosc",
            most_bytes=plain_bytes + (1 << 16),
            name=name,
        )
        said = struct.unpack_from("<I", buffer, 4)[0] if len(buffer) >= _BLOSC_HEADER_BYTES else 0
        if said != plain_bytes:
            raise SourceError(f"{name}: the Boss sent {said} bytes of voxels instead of {plain_bytes}")
        try:
            plain = await asyncio.to_thread(blosc.decompress, buffer)
        except BloscError as error:
            raise SourceError(f"{name}: the Boss sent voxels that do not unpack: {error}") from error
        return np.frombuffer(plain, stored).astype(self.dtype, copy=False).reshape(box.shape_zyx)


async def open_channel(account: Account, address: Address) -> SourceChannel:
    """The channel at that address, for this event loop. Raises SourceError."""
    from boss_ingest.plugins.intern_requests import Requests

    for name in (address.collection, address.experiment, address.channel):
        if not _NAME.fullmatch(name):
            raise SourceError(f"{name!r} cannot be the name of a collection, experiment or channel")
    requests = Requests(account)
    channel = SourceChannel(requests, address, f"{account.url}/{address}")
    try:
        await channel.learn()
    except BaseException:
        await requests.close()
        raise
    return channel


def within(part: Box, origin_zyx: tuple[int, int, int]) -> tuple[slice, ...]:
    """Where a box lies in an array whose first voxel is at `origin_zyx`."""
    spans = zip(part.start_zyx, part.stop_zyx, origin_zyx, strict=True)
    return tuple(slice(low - origin, high - origin) for low, high, origin in spans)


def _spans(box: Box) -> str:
    return ", ".join(f"{axis} {a}:{b}" for axis, a, b in zip("zyx", box.start_zyx, box.stop_zyx, strict=True))


def _parts(box: Box, itemsize: int) -> Iterator[Box]:
    """The box in parts of at most REQUEST_BYTES that end where stored cuboids end."""
    step = list(CUBOID_ZYX)
    for axis in (2, 1, 0):  # as far as it may be in x, then in y, then in z
        fits = REQUEST_BYTES // (math.prod(step) * itemsize)
        step[axis] *= max(1, min(fits, -(-box.shape_zyx[axis] // step[axis])))
    spans = []
    for low, high, by in zip(box.start_zyx, box.stop_zyx, step, strict=True):
        cuts = [low, *range((low // by + 1) * by, high, by), high]
        spans.append(list(pairwise(cuts)))
    for z, y, x in product(*spans):
        yield Box((z[0], y[0], x[0]), (z[1], y[1], x[1]))
