"""Stacks of images, one file a slice, a tile, or an image of a grid: `root_dir/base_filename.extension`.

Two faces of the same thing: the classic classes, to subclass or to pair with one's own, and the readers of
stack_readers.py, which take their place when a job file names both as they are.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from boss_ingest.errors import ConfigError, SourceError
from boss_ingest.plugins.blocking import Blocking
from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.chunk import ZYX_ORDER, ChunkProcessor
from boss_ingest.plugins.files import Folder
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.reader import Box, MadeUp, Setup, TileIndex
from boss_ingest.plugins.stack_names import StackNames
from boss_ingest.plugins.stack_params import StackChunkParams, StackPathParams, StackTileParams
from boss_ingest.plugins.stack_readers import StackChunkReader, StackReader
from boss_ingest.plugins.tile import TileProcessor

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_CACHE_BYTES = 256 << 20
"""Of decoded images, in each worker process that runs a classic processor."""


class ZindexStackPathProcessor(PathProcessor):
    """Names a file by its slice: see StackPathParams. In a volumetric job, the pattern of all files."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        self._volumetric = "chunk_size" in parameters["ingest_job"]
        self._names = StackNames.of(parameters, parameters["ingest_job"])
        self._folder = Folder(self._names.root_dir, allow_outside=self._names.allow_outside)

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The tile's file. Raises IndexError outside of the job, SourceError outside of root_dir."""
        if self._volumetric:
            return self._names.pattern
        path = self._names.path(x_index, y_index, z_index, t_index)
        self._folder.check(path)
        return path


class ZindexStackTileProcessor(TileProcessor):
    """Opens that file, and hands it on as it is, or cuts the tile out of it: see StackTileParams."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        params = StackTileParams.read(parameters, section="client.tile_processor")
        if params.images == "grid":
            raise ConfigError(
                '"images": "grid" is read where the job file names ZindexStackPathProcessor and '
                "ZindexStackTileProcessor themselves: a path processor of your own names one file a tile",
                hint='name these two, or have yours name whole slices, with "images": "slices"',
            )
        self._local = params.filesystem == "local" and params.images == "tiles"
        self._reader = _TilesOfAPath()
        if not self._local:
            self._blocking = Blocking(self, self._reader, _setup(parameters))

    def process(
        self,
        file_path: str,
        x_index: int,
        y_index: int,
        z_index: int,
        t_index: int | None = 0,
    ) -> IO[bytes]:
        """The open file, or an image of the tile. Raises OSError, SourceError."""
        if self._local:
            return Path(file_path).open("rb")
        index = TileIndex(x_index, y_index, z_index, t_index or 0)
        found = self._blocking.run(self._reader.read_from(file_path, index))
        return io.BytesIO(found) if isinstance(found, bytes) else _image(found, file_path)


class ZindexStackChunkProcessor(ChunkProcessor):
    """Puts a chunk together from the slices that a pattern leads to: see StackChunkParams."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        job = parameters["ingest_job"]
        self._size_zyx = tuple(job["chunk_size"][axis] for axis in "zyx")
        self._extent_zyx = tuple(job["extent"][axis] for axis in "zyx")
        self._reader = _ChunksOfAPattern()
        self._blocking = Blocking(self, self._reader, _setup(parameters))

    def process(self, file_path: str, x_index: int, y_index: int, z_index: int) -> tuple[NDArray[Any], int]:
        """The voxels (zyx) inside the extent; `file_path` has placeholders. Raises SourceError."""
        at = zip((z_index, y_index, x_index), self._size_zyx, self._extent_zyx, strict=True)
        spans = [(max(low, i * size), min(high, (i + 1) * size)) for i, size, (low, high) in at]
        z, y, x = spans
        box = Box((z[0], y[0], x[0]), (z[1], y[1], x[1]))
        return self._blocking.run(self._reader.read_from(file_path, box)), ZYX_ORDER


class _TilesOfAPath(StackReader):
    """Reads from the paths that a path processor names, which has checked them."""

    def names(self, setup: Setup) -> StackNames:
        return StackNames("", "", setup.ingest_job, allow_outside=True)

    async def read_from(self, path: str, index: TileIndex) -> bytes | NDArray[Any]:
        if self._slices is not None:
            return _read(await self.cut(lambda *_: path, index))
        assert self._objects is not None
        return await self._objects.read(path, most_bytes=self._most_bytes)


class _ChunksOfAPattern(StackChunkReader):
    """Reads from the patterns that a path processor names: what they lead to is checked here."""

    async def open(self, setup: Setup) -> None:
        self._ingest_job = setup.ingest_job
        self._allow_outside = bool(setup.params.get("allow_outside_root"))
        await super().open(setup)

    def names(self, setup: Setup) -> StackNames:
        return StackNames("", "", setup.ingest_job, allow_outside=True)

    async def read_from(self, pattern: str, box: Box) -> NDArray[Any]:
        names = StackNames.from_pattern(pattern, self._ingest_job, allow_outside=self._allow_outside)
        folder = Folder(names.root_dir, allow_outside=self._allow_outside)

        def name(z: int, row: int, column: int) -> str:
            path = names.image(z, row, column)
            folder.check(path)
            return path

        return _read(await self.cut(name, box))


def _read(found: NDArray[Any] | MadeUp) -> NDArray[Any]:
    """What is missing as a whole the engine makes up; of a part that is, a classic processor cannot tell."""
    if isinstance(found, MadeUp):
        raise SourceError(
            found.why,
            hint="bring the rest; zeros in their place there can be only where the job file names "
            "ZindexStackPathProcessor and the processor of boss-ingest themselves",
        )
    return found


def _setup(parameters: Mapping[str, Any]) -> Setup:
    params = {key: value for key, value in parameters.items() if key not in {"ingest_job", "fail_gracefully"}}
    if parameters.get("fail_gracefully"):
        params["missing"] = "zeros"
    return Setup({}, params, parameters["ingest_job"], Path(), cache_bytes=_CACHE_BYTES)


def _image(tile_yx: NDArray[Any], name: str) -> IO[bytes]:
    """A TIFF of the same values. Raises SourceError for those that no tile can carry."""
    import numpy as np
    from PIL import Image

    if tile_yx.dtype.itemsize > 2 or tile_yx.dtype.kind == "i":
        if tile_yx.dtype.kind == "f" or tile_yx.max() >= 1 << 31:
            raise SourceError(
                f"{name} has values that a tile cannot carry: {tile_yx.dtype.name}, up to {tile_yx.max():g}",
                hint='ingest this data with "ingest_type": "volumetric"',
            )
        tile_yx = tile_yx.astype(np.int32)
    into = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(tile_yx)).save(into, "TIFF")
    return into


LAYOUTS = (
    Layout(
        name="stack.ZindexStackTileProcessor",
        reads="a folder of images (PNG, TIFF, JPEG): one file a tile, a slice, or one of a grid; local or S3",
        processor=ZindexStackTileProcessor,
        params=StackTileParams,
        path=ZindexStackPathProcessor,
        path_params=StackPathParams,
        reader=StackReader,
        example="stack.json",
    ),
    Layout(
        name="stack.ZindexStackChunkProcessor",
        reads="a folder of images (PNG, TIFF, JPEG): one file a slice, or one of a grid; local or S3",
        processor=ZindexStackChunkProcessor,
        params=StackChunkParams,
        path=ZindexStackPathProcessor,
        path_params=StackPathParams,
        reader=StackChunkReader,
        example="stack-chunks.json",
    ),
)
