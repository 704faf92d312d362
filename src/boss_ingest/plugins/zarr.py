"""Zarr arrays on a local disk, formats 2 and 3, axes z, y, x; read with tensorstore (`boss-ingest[zarr]`).

Leading axes of length 1 (t, channel) are left out.
"""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Field

from boss_ingest.errors import ConfigError, Problem, SourceError
from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.chunk import ZYX_ORDER, ChunkProcessor
from boss_ingest.plugins.params import ChunkParams, Params
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.reader import Box, ChunkReader, Setup, SourceInfo

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

CACHE_BYTES = 64 << 20
"""Decoded Zarr chunks kept in memory, for the neighbours that share them."""

_METADATA = {".zarray": "zarr", "zarr.json": "zarr3"}

OPEN_TIMEOUT_S = 60.0
READ_TIMEOUT_S = 100.0


class ZarrPathParams(Params):
    """The array may be named here too; it is the chunk processor's params that count."""

    cloud_path: str = Field("", description="not needed here")
    volume_name: str = Field("", description="not needed here")


class ZarrChunkParams(ChunkParams):
    """Which array."""

    cloud_path: str = Field(description="a folder, or a file:// URL")
    volume_name: str = Field("", description="the array in that group; empty when it is the folder itself")
    missing_chunks: Literal["fill", "error"] = Field(
        "fill",
        description="a Zarr chunk without a file holds the fill value; "
        '"error" is for arrays that may have been copied in part',
    )


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
        self._path, fill = _what(parameters)
        driver = _driver(self._path)
        try:
            opened = _opening(self._path, driver, fill=fill).result(timeout=OPEN_TIMEOUT_S)
        except (ValueError, TimeoutError) as error:
            raise _unreadable(self._path, error) from error
        self._array = _three_axes(opened, self._path)

    def process(self, file_path: str, x_index: int, y_index: int, z_index: int) -> tuple[NDArray[Any], int]:
        """The voxels (zyx). Raises SourceError, also for a chunk wholly beyond the array."""
        start = [at * size for at, size in zip((z_index, y_index, x_index), self._size_zyx, strict=True)]
        stop = [
            min(low + size, end)
            for low, size, end in zip(start, self._size_zyx, self._array.shape, strict=True)
        ]
        box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
        part = _part(self._array, box, self._path)
        try:
            return part.read().result(timeout=READ_TIMEOUT_S), ZYX_ORDER
        except (ValueError, TimeoutError) as error:
            raise _unreadable(self._path, error) from error


class ZarrReader(ChunkReader):
    """Reads boxes of one array; tensorstore's own threads do the work."""

    _array: Any = None

    async def open(self, setup: Setup) -> None:
        """Open the array for reading. Raises ConfigError, SourceError."""
        self._path, fill = _what(setup.params)
        driver = await asyncio.to_thread(_driver, self._path)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                opened = await _opening(self._path, driver, fill=fill)
        except (ValueError, TimeoutError) as error:
            raise _unreadable(self._path, error) from error
        self._array = _three_axes(opened, self._path)

    async def read(self, box: Box) -> NDArray[Any]:
        """The voxels (zyx). Raises SourceError, also when the box leaves the array."""
        part = _part(self._array, box, self._path)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                array: NDArray[Any] = await part.read()
        except (ValueError, TimeoutError) as error:
            raise _unreadable(self.locate(box), error) from error
        return array

    async def describe(self) -> SourceInfo:
        """Type and shape, from the array's metadata."""
        z, y, x = self._array.shape
        return SourceInfo(dtype=self._array.dtype.numpy_dtype.name, shape_zyx=(z, y, x), where=self._path)

    async def close(self) -> None:
        """Let go of the array and its cache."""
        self._array = None

    def locate(self, box: Box) -> str:
        """Path and box."""
        z, y, x = (f"{low}:{high}" for low, high in zip(box.start_zyx, box.stop_zyx, strict=True))
        return f"{self._path}[z {z}, y {y}, x {x}]"


def _what(params: Mapping[str, Any]) -> tuple[str, bool]:
    """The path of the array, and whether missing chunks hold the fill value."""
    given = ZarrChunkParams.read(params, section="client.chunk_processor")
    folder = given.cloud_path
    url = urlsplit(folder)
    if url.scheme == "file":
        folder = unquote(url.path)
    elif "://" in folder:
        where = "client.chunk_processor.params.cloud_path"
        rule = f"{url.scheme}:// cannot be read by this version"
        raise ConfigError(
            f"the Zarr array {folder} is out of reach",
            problems=(Problem(where, folder, rule, "name a folder, or a file:// URL"),),
        )
    return os.path.join(folder, given.volume_name), given.missing_chunks == "fill"  # noqa: PTH118 - for messages


def _driver(path: str) -> str:
    """Tensorstore's name for the format found there. Raises SourceError when there is no array."""
    for name, driver in _METADATA.items():
        if Path(path, name).is_file():
            return driver
    folder = Path(path).parent
    arrays = sorted({found.parent.name for name in _METADATA for found in folder.glob(f"*/{name}")})
    raise SourceError(
        f"there is no Zarr array at {path}",
        hint=f"{folder} has {', '.join(arrays[:8])}: correct volume_name"
        if arrays
        else "correct cloud_path and volume_name under client.chunk_processor.params",
    )


def _opening(path: str, driver: str, *, fill: bool) -> Any:
    """A tensorstore future of the array: it can be awaited, or asked for its result."""
    try:
        tensorstore = import_module("tensorstore")
    except ImportError as error:
        raise ConfigError(
            f"reading Zarr needs tensorstore: {error}", hint="pip install 'boss-ingest[zarr]'"
        ) from error
    kvstore = {"driver": "file", "path": str(Path(path).resolve()) + "/"}
    context = tensorstore.Context({"cache_pool": {"total_bytes_limit": CACHE_BYTES}})
    spec = {"driver": driver, "kvstore": kvstore, "fill_missing_data_reads": fill}
    return tensorstore.open(spec, read=True, context=context)


def _three_axes(array: Any, path: str) -> Any:
    while array.ndim > 3 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 3:
        raise ConfigError(
            f"{path} has shape {tuple(array.shape)}, a volume has three axes: z, y, x",
            hint="save the channel and time sample you want as an array of its own",
        )
    return array


def _part(array: Any, box: Box, path: str) -> Any:
    inside = all(
        0 <= low < high <= end
        for low, high, end in zip(box.start_zyx, box.stop_zyx, array.shape, strict=True)
    )
    if not inside:
        raise SourceError(
            f"{path} has {' × '.join(map(str, array.shape))} voxels (z × y × x), "
            f"the job asks for {box.start_zyx} to {box.stop_zyx}",
            hint="correct ingest_job.extent",
        )
    return array[tuple(slice(low, high) for low, high in zip(box.start_zyx, box.stop_zyx, strict=True))]


def _unreadable(where: str, error: Exception) -> SourceError:
    if isinstance(error, TimeoutError):
        return SourceError(f"{where} did not answer in time", hint="is the disk or its server overloaded?")
    fact = str(error).split(" [", 1)[0]  # what follows is tensorstore's settings, by the hundred
    return SourceError(f"{where} cannot be read: {fact}")


LAYOUTS = (
    Layout(
        name="zarr.ZarrChunkProcessor",
        reads="a Zarr array, format 2 or 3, axes z, y, x, on a local disk",
        processor=ZarrChunkProcessor,
        params=ZarrChunkParams,
        path=ZarrPathProcessor,
        path_params=ZarrPathParams,
        reader=ZarrReader,
        extra="zarr",
        example="zarr.json",
    ),
)
