"""The calls about collections, coordinate frames, experiments and channels, and the one that reads voxels."""

from __future__ import annotations

from typing import TypeVar

from boss_ingest.boss import job_answers
from boss_ingest.boss.answers import error_of
from boss_ingest.boss.connection import Connection
from boss_ingest.boss.resources import Channel, Collection, CoordinateFrame, Experiment, Resource
from boss_ingest.config.extent import Extent
from boss_ingest.errors import GaveUpError, TransientError

R = TypeVar("R", bound=Resource)

_CUTOUT_TIMEOUT_S = 600.0
_WIDEST_VOXEL_BYTES = 8


class ResourceCalls(Connection):
    """Getting is repeated until it is answered; creating is sent once.

    Every call raises NotAllowedError, GaveUpError and BossRefusedError; ResourceMissingError (one of the
    latter) when the resource is not there.
    """

    async def collection(self, collection: str) -> Collection:
        """The collection of that name."""
        return await self._get(Collection, Collection.path_of(collection))

    async def coordinate_frame(self, frame: str) -> CoordinateFrame:
        """The coordinate frame of that name."""
        return await self._get(CoordinateFrame, CoordinateFrame.path_of(frame))

    async def experiment(self, collection: str, experiment: str) -> Experiment:
        """The experiment of that name."""
        path = Experiment.path_of(collection, experiment)
        return await self._get(Experiment, path, collection=collection)

    async def channel(self, collection: str, experiment: str, channel: str) -> Channel:
        """The channel of that name."""
        path = Channel.path_of(collection, experiment, channel)
        return await self._get(Channel, path, collection=collection, experiment=experiment)

    async def create_collection(self, new: Collection) -> Collection:
        """Create a collection; needs the role resource-manager, as do all the following."""
        return await self._create(new, Collection.path_of(new.name))

    async def create_coordinate_frame(self, new: CoordinateFrame) -> CoordinateFrame:
        """Create a coordinate frame."""
        return await self._create(new, CoordinateFrame.path_of(new.name))

    async def create_experiment(self, new: Experiment) -> Experiment:
        """Create an experiment in an existing collection and coordinate frame."""
        return await self._create(
            new, Experiment.path_of(new.collection, new.name), collection=new.collection
        )

    async def create_channel(self, new: Channel) -> Channel:
        """Create a channel in an existing experiment."""
        path = Channel.path_of(new.collection, new.experiment, new.name)
        return await self._create(new, path, collection=new.collection, experiment=new.experiment)

    async def cutout(
        self, collection: str, experiment: str, channel: str, *, resolution: int, extent: Extent
    ) -> bytes:
        """The voxels of the extent as one blosc buffer: C order, axes tzyx, the channel's datatype.

        What was never stored is zero. The Boss reads at most 520 MiB at once: BossRefusedError, code 2000.
        """
        doing = f"reading {collection}/{experiment}/{channel}"
        spans = "/".join(f"{span.start}:{span.stop}" for span in (extent.x, extent.y, extent.z, extent.t))
        names = Channel.path_of(collection, experiment, channel).split("/")[1::2]
        path = f"cutout/{'/'.join(names)}/{resolution:d}/{spans}/"

        async def attempt() -> bytes:
            answer = await self._send(
                doing,
                "GET",
                path,
                accept="application/blosc",
                most_bytes=extent.voxels * _WIDEST_VOXEL_BYTES + (1 << 20),
                timeout_s=_CUTOUT_TIMEOUT_S,
            )
            if answer.status != 200:
                raise error_of(answer, doing)
            return answer.body

        return await self._persist(attempt)

    async def _get(self, kind: type[R], path: str, **known: str) -> R:
        doing = f"asking for {path}"

        async def attempt() -> R:
            answer = await self._send(doing, "GET", path)
            if answer.status != 200:
                raise error_of(answer, doing)
            return job_answers.read(answer, lambda data: kind.read(data, **known), doing)

        return await self._persist(attempt)

    async def _create(self, new: R, path: str, **known: str) -> R:
        doing = f"creating {path}"
        try:
            answer = await self._send(doing, "POST", path, json=new.body)
            if answer.status != 201:
                raise error_of(answer, doing)
            return job_answers.read(answer, lambda data: type(new).read(data, **known), doing)
        except TransientError as error:
            hint = "it may have come to be all the same: look before creating it again"
            raise GaveUpError(error.what, hint=hint) from error
