"""Neuroglancer precomputed volumes, and all else that cloud-volume reads (`boss-ingest[cloudvolume]`).

Params are the arguments of its CloudVolume, as the original client had it. Plain precomputed images are read
with tensorstore, which gives the same voxels sooner; the library itself takes what needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from boss_ingest.config.near_misses import nearest
from boss_ingest.plugins.array import VolumeReader, chunk_bytes
from boss_ingest.plugins.array_cloudvolume import NO_MATTER, THAT_MATTER, open_volume
from boss_ingest.plugins.array_library import now
from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.chunk import XYZT_ORDER, ChunkProcessor
from boss_ingest.plugins.params import ChunkParams, Params
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.reader import Box, Setup
from boss_ingest.plugins.zarr import CACHE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from boss_ingest.plugins.array_volume import Volume

_SECTION = "client.chunk_processor"


class CloudVolumePathParams(Params):
    """None are needed; those that are there are ignored, as they always were."""

    model_config = ConfigDict(extra="allow")


class CloudVolumeChunkParams(ChunkParams):
    """The arguments of CloudVolume: also those that are not listed here."""

    model_config = ConfigDict(extra="allow")

    cloudpath: str = Field(
        description="such as file:///data/em, precomputed://gs://bucket/em, graphene://https://…"
    )
    mip: int | list[float] = Field(
        0, description="the scale: its number (0 is the finest), or its [x, y, z] in nm"
    )
    fill_missing: bool = Field(False, description="chunks that are not stored are zeros")
    bounded: bool = Field(True, description="voxels outside of the volume are an error")
    use_https: bool = Field(False, description="read a public gs:// or s3:// bucket by its https URL")
    channel: int | None = Field(
        None, description="which channel, counted from 0, when there are more than one"
    )
    library: Literal["tensorstore", "cloudvolume"] | None = Field(
        None, description="what reads it; tensorstore where it can, when left out"
    )

    @model_validator(mode="after")
    def _no_near_miss(self) -> Self:
        """A name that is nearly one we know is no argument for the library, but a slip."""
        known = set(type(self).model_fields) | NO_MATTER | THAT_MATTER
        for name in self.model_extra or {}:
            if name not in known and (meant := nearest(name, known)):
                raise ValueError(f'"{name}" is no param of this plugin: did you mean "{meant}"?')
        return self


class CloudVolumePathProcessor(PathProcessor):
    """There are no paths: the chunk processor knows where the volume is."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Keep the parameters."""
        self.parameters = parameters

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The empty path."""
        return ""


class CloudVolumeChunkProcessor(ChunkProcessor):
    """Reads one chunk, clipped to where the volume and the job end: see CloudVolumeChunkParams."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Open the volume. Raises ConfigError, SourceError."""
        self.parameters = parameters
        job = parameters["ingest_job"]
        self._size_zyx = tuple(int(job["chunk_size"][axis]) for axis in "zyx")
        self._extent_stop_zyx = tuple(int(job["extent"][axis][1]) for axis in "zyx")
        self._volume = now(lambda: _opened(parameters, job, CACHE_BYTES))

    def process(self, file_path: str, x_index: int, y_index: int, z_index: int) -> tuple[NDArray[Any], int]:
        """The voxels (x, y, z, 1). Raises SourceError, also for a chunk that begins outside of the volume."""
        z, y, x = (at * size for at, size in zip((z_index, y_index, x_index), self._size_zyx, strict=True))
        ends = zip((z, y, x), self._size_zyx, self._volume.stop_zyx, self._extent_stop_zyx, strict=True)
        stop_z, stop_y, stop_x = (min(low + size, last, stop) for low, size, last, stop in ends)
        voxels = now(lambda: self._volume.read(Box((z, y, x), (stop_z, stop_y, stop_x))))
        return voxels.transpose(2, 1, 0)[..., None], XYZT_ORDER


class CloudVolumeReader(VolumeReader):
    """Reads boxes of one volume."""

    async def _opened(self, setup: Setup) -> Volume:
        return await _opened(setup.params, setup.ingest_job, setup.cache_bytes)


async def _opened(params: Mapping[str, Any], ingest_job: Mapping[str, Any], cache_bytes: int) -> Volume:
    given = CloudVolumeChunkParams.read(params, section=_SECTION)
    return await open_volume(given, ingest_job, chunk_bytes=chunk_bytes(ingest_job), cache_bytes=cache_bytes)


LAYOUTS = (
    Layout(
        name="cloudvolume.CloudVolumeChunkProcessor",
        reads="neuroglancer precomputed, graphene and what else cloud-volume reads, by its own paths",
        processor=CloudVolumeChunkProcessor,
        params=CloudVolumeChunkParams,
        path=CloudVolumePathProcessor,
        path_params=CloudVolumePathParams,
        reader=CloudVolumeReader,
        extra="cloudvolume",
        example="cloudvolume.json",
    ),
)
