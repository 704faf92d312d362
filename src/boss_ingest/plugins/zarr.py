"""Zarr arrays, formats 2 and 3, axes z, y, x: `cloud_path` and `volume_name`, as the original client had it.

Read with tensorstore (`boss-ingest[zarr]`), or with the zarr library where the params ask for it.
Leading axes of length 1 (t, channel) are left out.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from boss_ingest.errors import ConfigError, SourceError
from boss_ingest.plugins import array_location
from boss_ingest.plugins.array import VolumeReader, chunk_bytes
from boss_ingest.plugins.array_library import LibraryVolume, now, words
from boss_ingest.plugins.array_volume import View, Volume, open_array
from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.chunk import ZYX_ORDER, ChunkProcessor
from boss_ingest.plugins.params import ChunkParams, Params
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.reader import Box, Setup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from boss_ingest.plugins.array_location import Location

CACHE_BYTES = 64 << 20
"""Decoded chunks kept by a classic processor, of which there is one in each worker process."""

_SECTION = "client.chunk_processor"


class ZarrPathParams(Params):
    """The array may be named here too; it is the chunk processor's params that count."""

    cloud_path: str = Field("", description="not needed here")
    volume_name: str = Field("", description="not needed here")


class ZarrChunkParams(ChunkParams):
    """Which array."""

    cloud_path: str = Field(description="a folder, or a file://, s3://, gs://, http:// or https:// URL")
    volume_name: str = Field("", description="the array in that group; empty when it is the folder itself")
    missing_chunks: Literal["fill", "error"] = Field(
        "fill",
        description="a Zarr chunk without a file holds the fill value; "
        '"error" is for arrays that may have been copied in part',
    )
    endpoint_url: str | None = Field(None, description="an S3 server that is not Amazon's")
    anonymous: bool = Field(False, description="read a public bucket without credentials")
    library: Literal["tensorstore", "zarr"] = Field(
        "tensorstore", description='"zarr" reads filters and compressors that tensorstore does not know'
    )
    backend: str = Field("", description="not used any more")
    bucket: str = Field("", description="not used any more")


class ZarrPathProcessor(PathProcessor):
    """Names the array, if told; the chunk processor does not need it."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Keep the parameters."""
        self.parameters = parameters

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """`cloud_path/volume_name` of the params, as far as they are there."""
        assert self.parameters is not None
        given = (self.parameters.get(key) for key in ("cloud_path", "volume_name"))
        return "/".join(filter(None, given))


class ZarrChunkProcessor(ChunkProcessor):
    """Reads one chunk, clipped to where the array ends."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Open the array for reading. Raises ConfigError, SourceError."""
        self.parameters = parameters
        size = parameters["ingest_job"]["chunk_size"]
        self._size_zyx = (size["z"], size["y"], size["x"])
        self._volume = now(lambda: _opened(parameters, parameters["ingest_job"], CACHE_BYTES))

    def process(self, file_path: str, x_index: int, y_index: int, z_index: int) -> tuple[NDArray[Any], int]:
        """The voxels (zyx). Raises SourceError, also for a chunk wholly beyond the array."""
        z, y, x = (at * size for at, size in zip((z_index, y_index, x_index), self._size_zyx, strict=True))
        stop_z, stop_y, stop_x = (
            min(low + size, end)
            for low, size, end in zip((z, y, x), self._size_zyx, self._volume.stop_zyx, strict=True)
        )
        return now(lambda: self._volume.read(Box((z, y, x), (stop_z, stop_y, stop_x)))), ZYX_ORDER


class ZarrReader(VolumeReader):
    """Reads boxes of one array."""

    async def _opened(self, setup: Setup) -> Volume:
        return await _opened(setup.params, setup.ingest_job, setup.cache_bytes)


async def _opened(params: Mapping[str, Any], ingest_job: Mapping[str, Any], cache_bytes: int) -> Volume:
    given = ZarrChunkParams.read(params, section=_SECTION)
    location = array_location.find(
        given.cloud_path,
        param=f"{_SECTION}.params.cloud_path",
        endpoint_url=given.endpoint_url,
        anonymous=given.anonymous,
    )
    if given.library == "zarr":
        return await asyncio.to_thread(_with_zarr, given, location)
    fill = given.missing_chunks == "fill"
    view = View(format="zarr", fill=fill, chunk_bytes=chunk_bytes(ingest_job))
    return await open_array(location.child(given.volume_name.strip("/")), view, cache_bytes=cache_bytes)


def _with_zarr(given: ZarrChunkParams, location: Location) -> Volume:
    try:
        zarr = import_module("zarr")
    except ImportError as error:
        raise ConfigError(
            f'"library": "zarr" needs the zarr package: {error}', hint="pip install zarr"
        ) from error
    shown = location.child(given.volume_name.strip("/")).shown
    options: dict[str, Any] = {"anon": True} if given.anonymous else {}
    if given.endpoint_url:
        options["endpoint_url"] = given.endpoint_url
    remote = location.folder is None
    try:
        array = zarr.open_array(
            location.folder or given.cloud_path,
            path=given.volume_name or None,
            mode="r",
            storage_options=options if remote and options else None,
        )
    except Exception as error:
        raise SourceError(
            f"{shown} cannot be read: {words(error)}",
            hint="correct cloud_path and volume_name; s3:// needs s3fs, gs:// gcsfs" if remote else "",
        ) from error
    extra = array.ndim - 3
    if extra < 0 or any(size != 1 for size in array.shape[:extra]):
        raise ConfigError(
            f"{shown} has shape {' × '.join(map(str, array.shape))}, a volume has three axes: z, y, x",
            hint="array.ArrayReader takes the axes by their names, and a channel",
        )

    def cut(box: Box) -> NDArray[Any]:
        part = zip(box.start_zyx, box.stop_zyx, strict=True)
        found: NDArray[Any] = array[(0,) * extra + tuple(slice(low, high) for low, high in part)]
        return found

    folder = location.child(given.volume_name.strip("/")).folder
    metadata = folder and folder / ("zarr.json" if array.metadata.zarr_format == 3 else ".zarray")
    return LibraryVolume(shown, array.dtype.name, (0, 0, 0), array.shape[extra:], cut, metadata=metadata)


LAYOUTS = (
    Layout(
        name="zarr.ZarrChunkProcessor",
        reads="a Zarr array, format 2 or 3, axes z, y, x; a folder, s3://, gs://, http(s)://",
        processor=ZarrChunkProcessor,
        params=ZarrChunkParams,
        path=ZarrPathProcessor,
        path_params=ZarrPathParams,
        reader=ZarrReader,
        extra="zarr",
        example="zarr.json",
    ),
)
