"""Chunked arrays of every format: Zarr 2 and 3, OME-Zarr, N5, neuroglancer precomputed (`boss-ingest[zarr]`).

From a local disk, s3://, gs:// or http(s)://; read with tensorstore.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from boss_ingest.plugins import array_axes, array_location
from boss_ingest.plugins.array_format import Format
from boss_ingest.plugins.array_volume import View, Volume, open_array, place
from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.params import ChunkParams
from boss_ingest.plugins.reader import Box, ChunkReader, Setup, SourceInfo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_SECTION = "client.chunk_processor"


class ArrayParams(ChunkParams):
    """Which array, and which part of it."""

    url: str = Field(description="a folder, or a file://, s3://, gs://, http:// or https:// URL")
    array: str = Field("", description="the path of the array, or of the multiscale group, below the url")
    format: Format | None = Field(None, description="told from what is there when left out")
    level: int | str | Annotated[list[float], Field(min_length=3, max_length=3)] = Field(
        0,
        description="of a multiscale volume: its number (0 is the finest), its path or key, "
        "or [x, y, z] in nm for the nearest voxel size",
    )
    axes: str | list[str] | None = Field(
        None,
        description='their names in the order of the array, such as "zyx", where its metadata is wrong',
    )
    channel: int | None = Field(
        None, description="which channel, counted from 0, when there are more than one"
    )
    time: int | None = Field(
        None, description="which time sample, counted from 0, when there are more than one"
    )
    offset_x: int = Field(0, description="added to the job's x, gives the array's x, in voxels")
    offset_y: int = Field(0, description="added to the job's y, gives the array's y, in voxels")
    offset_z: int = Field(0, description="added to the job's z, gives the array's z, in voxels")
    endpoint_url: str | None = Field(None, description="an S3 server that is not Amazon's")
    anonymous: bool = Field(False, description="read a public bucket without credentials")
    missing_chunks: Literal["fill", "error"] | None = Field(
        None,
        description="a stored chunk that is not there holds the fill value, or is an error; by default "
        'it is "fill" for Zarr and N5, which define it so, and "error" for precomputed',
    )


class VolumeReader(ChunkReader):
    """Reads boxes of one volume; a subclass tells which."""

    _volume: Volume | None = None
    _named = ""

    async def open(self, setup: Setup) -> None:
        """Open the array for reading. Raises ConfigError, SourceError."""
        self._volume = await self._opened(setup)
        self._named = self._volume.where

    async def _opened(self, setup: Setup) -> Volume:
        raise NotImplementedError

    async def read(self, box: Box) -> NDArray[Any]:
        """The voxels (zyx). Raises SourceError, also when the box leaves the array."""
        assert self._volume is not None, "open comes first"
        return await self._volume.read(box)

    def reads_apart(self, parts: Sequence[Box]) -> bool:
        """Whether it is known that no stored chunk is in two of them."""
        return self._volume is not None and self._volume.reads_apart(parts)

    async def describe(self) -> SourceInfo:
        """Type and shape, from the array's metadata."""
        volume = self._volume
        assert volume is not None, "open comes first"
        z, y, x = (high - low for low, high in zip(volume.start_zyx, volume.stop_zyx, strict=True))
        return SourceInfo(dtype=volume.dtype, shape_zyx=(z, y, x), where=volume.where)

    async def close(self) -> None:
        """Let go of the array and its cache."""
        volume, self._volume = self._volume, None
        if volume is not None:
            await volume.close()

    def locate(self, box: Box) -> str:
        """Path or URL, and box."""
        return place(self._named, box)


class ArrayReader(VolumeReader):
    """Reads boxes of a chunked array: see ArrayParams."""

    async def _opened(self, setup: Setup) -> Volume:
        given = ArrayParams.read(setup.params, section=_SECTION)
        location = array_location.find(
            given.url,
            param=f"{_SECTION}.params.url",
            endpoint_url=given.endpoint_url,
            anonymous=given.anonymous,
        ).child(given.array.strip("/"))
        view = View(
            format=given.format,
            level=given.level,
            axes=None if given.axes is None else array_axes.parse(given.axes),
            channel=given.channel,
            time=given.time,
            offset_zyx=(given.offset_z, given.offset_y, given.offset_x),
            fill=None if given.missing_chunks is None else given.missing_chunks == "fill",
            chunk_bytes=chunk_bytes(setup.ingest_job),
        )
        return await open_array(location, view, cache_bytes=setup.cache_bytes)


def chunk_bytes(ingest_job: Mapping[str, Any]) -> int:
    """What one chunk of the job takes at most, in bytes: 8 a voxel."""
    size = ingest_job["chunk_size"]
    return 8 * int(size["x"]) * int(size["y"]) * int(size["z"])


LAYOUTS = (
    Layout(
        name="array.ArrayReader",
        reads="Zarr 2 and 3, OME-Zarr, N5, neuroglancer precomputed; a folder, s3://, gs://, http(s)://",
        processor=ArrayReader,
        params=ArrayParams,
        extra="zarr",
        example="array-zarr.json",
    ),
)
