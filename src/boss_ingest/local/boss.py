"""A whole Boss in this process: `async with LocalBoss(Settings(dir=...)) as boss:` answers on `boss.url`."""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

from boss_ingest.config.extent import Extent
from boss_ingest.local.activity import Activity
from boss_ingest.local.cuboid_import import CuboidImport
from boss_ingest.local.lifecycle import Lifecycle
from boss_ingest.local.rest import Rest
from boss_ingest.local.rest_cutout import CutoutEndpoint
from boss_ingest.local.rest_jobs import JobEndpoints
from boss_ingest.local.rest_resources import ResourceEndpoints
from boss_ingest.local.s3 import S3
from boss_ingest.local.server import Front
from boss_ingest.local.sqs import Sqs
from boss_ingest.local.state import State
from boss_ingest.local.tile_processing import TileProcessing
from boss_ingest.local.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType

    from boss_ingest.config.extent import Span
    from boss_ingest.local.faults import Faults
    from boss_ingest.local.objects import StoredObject
    from boss_ingest.local.queue_store import Depth
    from boss_ingest.local.resource_store import ChannelPath, Kind, Resource
    from boss_ingest.local.settings import Settings

USER = "local"
_TIDY_EVERY_S = 2.0


class LocalBoss:
    """REST, SQS and S3 of a Boss on one loopback port; its state lives in `settings.dir`.

    Entering raises UsageError when the port or the directory is taken. `url` is its origin, `token` that
    of the user "local", also in DIR/token.json.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = ""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._state = State(self.settings)
            stack.callback(self._state.close)
            threads = ThreadPoolExecutor(self.settings.processing_threads, thread_name_prefix="local-boss")
            stack.callback(threads.shutdown)
            workshop = await stack.enter_async_context(Workshop())
            activity = Activity()
            imports = CuboidImport(self._state, activity)
            tiles = TileProcessing(self._state, activity, workshop, threads)
            lifecycle = Lifecycle(self._state, activity, workshop, tiles)
            self._resources = ResourceEndpoints(self._state)
            jobs = JobEndpoints(self._state, lifecycle)
            cutouts = CutoutEndpoint(self._state, threads)
            front = Front(
                rest=Rest(self._state, jobs.handlers | self._resources.handlers | cutouts.handlers),
                sqs=Sqs(self._state),
                s3=S3(self._state, imports.created),
                faults=self._state.faults,
            )
            port = await front.listen(self.settings.host, self.settings.port)
            stack.push_async_callback(front.close)
            self.url = self._state.queues.origin = f"http://{self.settings.host}:{port}"
            self._write_token()
            workshop.start(imports.run(), name="cuboid import")
            workshop.start(self._tidy(), name="housekeeping")
            lifecycle.resume()
            await self._state.database.committed()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def token(self) -> str:
        """The token of the user "local"."""
        return self.token_for(USER)

    @property
    def faults(self) -> Faults:
        """What goes wrong from here on, and a count of what was asked so far."""
        return self._state.faults

    def token_for(self, user: str) -> str:
        """The token of a user, who is created when new; "bossadmin" may touch every job."""
        return self._state.users.token(user)

    async def prepare(
        self,
        *,
        collection: str,
        experiment: str,
        channel: str,
        datatype: str,
        extent: Extent | Mapping[str, Sequence[int]],
        channel_type: str = "image",
        user: str = USER,
        num_hierarchy_levels: int = 1,
        voxel_size: Sequence[float] = (4.0, 4.0, 40.0),
    ) -> ChannelPath:
        """Make the channel and all it lies in, unless they exist; its frame ends where `extent` does."""
        x, y, z, t = (_bounds(extent, axis) for axis in "xyzt")
        frame_name = f"{collection}_{experiment}_frame"
        frame: dict[str, Any] = {"voxel_unit": "nanometers"}
        for axis, (_, stop), size in zip("xyz", (x, y, z), voxel_size, strict=True):
            frame |= {f"{axis}_start": 0, f"{axis}_stop": stop, f"{axis}_voxel_size": size}
        self._ensure("coord", frame_name, frame, user)
        col = self._ensure("collection", collection, {}, user)
        exp = self._ensure(
            "experiment",
            experiment,
            {
                "coord_frame": frame_name,
                "num_time_samples": max(1, t[1]),
                "num_hierarchy_levels": num_hierarchy_levels,
            },
            user,
            parent=col,
        )
        self._ensure("channel", channel, {"type": channel_type, "datatype": datatype}, user, parent=exp)
        await self._state.database.committed()
        return self._state.resources.channel(collection, experiment, channel)

    def objects(self, bucket: str) -> list[StoredObject]:
        """Everything in a bucket, by key."""
        return self._state.objects.contents(bucket)

    def queue_depth(self, name: str) -> Depth:
        """The depth of a queue. Raises QueueGone."""
        return self._state.queues.get(name).depth()

    def _ensure(
        self, kind: Kind, name: str, body: dict[str, Any], user: str, parent: Resource | None = None
    ) -> Resource:
        found = self._state.resources.find(kind, name, parent=parent.id if parent else 0)
        return found or self._resources.create(kind, name, body, creator=user, parent=parent)

    def _write_token(self) -> None:
        path = self.settings.dir / "token.json"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"token": self.token}, file)

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(_TIDY_EVERY_S)
            await self._state.tidy()


def _bounds(extent: Extent | Mapping[str, Sequence[int]], axis: str) -> tuple[int, int]:
    if isinstance(extent, Extent):
        span: Span = getattr(extent, axis)
        return span.start, span.stop
    start, stop = extent.get(axis, (0, 1))
    return start, stop
