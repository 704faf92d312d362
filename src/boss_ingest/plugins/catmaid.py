"""CATMAID's tiles, from files in three of its layouts (tile source types 1, 4 and 5) or from a server.

These are the classic classes, to subclass or to pair with one's own; the readers of catmaid_readers take
their place when a job file names a pair as it is.
"""

from __future__ import annotations

import asyncio
import io
from pathlib import Path
from typing import IO, Any

from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.catmaid_params import (
    TILE,
    CatmaidPathParams,
    CatmaidTileParams,
    CatmaidURLPathParams,
    CatmaidURLTileParams,
)
from boss_ingest.plugins.catmaid_readers import (
    CatmaidDirectoryImageStackReader,
    CatmaidFileImageStackReader,
    CatmaidFileImageStackZoomLevelReader,
    CatmaidFiles,
    CatmaidURLReader,
    ServedTiles,
    grey,
)
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.reader import MadeUp
from boss_ingest.plugins.tile import TileProcessor


class CatmaidFileImageStackPathProcessor(PathProcessor):
    """Names the file `z/y_x_resolution.filetype` below root_dir: see CatmaidPathParams."""

    _template = CatmaidFileImageStackReader.template

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        self._files = CatmaidFiles(self._template, parameters, parameters["ingest_job"])

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The tile's file. Raises IndexError outside of the job, SourceError outside of root_dir."""
        path = self._files.path(x_index, y_index, z_index, t_index)
        self._files.folder.check(path)
        return path


class CatmaidFileImageStackZoomLevelPathProcessor(CatmaidFileImageStackPathProcessor):
    """Names the file `resolution/z/y_x.filetype` below root_dir."""

    _template = CatmaidFileImageStackZoomLevelReader.template


class CatmaidDirectoryImageStackPathProcessor(CatmaidFileImageStackPathProcessor):
    """Names the file `resolution/z/y/x.filetype` below root_dir."""

    _template = CatmaidDirectoryImageStackReader.template


class CatmaidFileImageStackTileProcessor(TileProcessor):
    """Opens that file, and hands it on as it is."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        CatmaidTileParams.read(parameters, section=TILE)

    def process(
        self, file_path: str, x_index: int, y_index: int, z_index: int, t_index: int | None = 0
    ) -> IO[bytes]:
        """The open file. Raises OSError."""
        return Path(file_path).open("rb")


class CatmaidFileImageStackZoomLevelTileProcessor(CatmaidFileImageStackTileProcessor):
    """The same, by its other name."""


class CatmaidDirectoryImageStackTileProcessor(CatmaidFileImageStackTileProcessor):
    """The same, by its other name."""


class CatmaidURLPathProcessor(PathProcessor):
    """Names no file: the tile processor makes the URL."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Keep the parameters."""
        self.parameters = parameters

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The empty path."""
        return ""


class CatmainURLTileProcessor(TileProcessor):
    """Gets a tile from a server, `url` + `z/y/x.filetype`; a class name of the original, spelling and all."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        self._served = ServedTiles(parameters, parameters["ingest_job"])

    def process(
        self, file_path: str, x_index: int, y_index: int, z_index: int, t_index: int | None = 0
    ) -> IO[bytes]:
        """The image as it is. Raises SourceError, MissingSourceError."""
        from PIL import Image

        found = asyncio.run(self._read(x_index, y_index, z_index))
        image = grey(found, self._served.grid) if isinstance(found, bytes) else found.voxels
        if isinstance(image, bytes):
            return io.BytesIO(image)
        into = io.BytesIO()
        Image.fromarray(image).save(into, "PNG")
        into.seek(0)
        return into

    async def _read(self, x: int, y: int, z: int) -> bytes | MadeUp:
        try:
            return await self._served.read(x, y, z)
        finally:
            await self._served.images.close()


class CatmaidURLTileProcessor(CatmainURLTileProcessor):
    """The same, spelled as it is meant."""


def _layout(
    kind: str, path: type[PathProcessor], tile: type[TileProcessor], reader: Any, example: str
) -> Layout:
    return Layout(
        name=f"catmaid.{tile.__name__}",
        reads=f"CATMAID tiles in files, {kind}",
        processor=tile,
        params=CatmaidTileParams,
        path=path,
        path_params=CatmaidPathParams,
        reader=reader,
        example=example,
    )


def _served(tile: type[TileProcessor]) -> Layout:
    return Layout(
        name=f"catmaid.{tile.__name__}",
        reads="CATMAID tiles of a web server: url + z/y/x.filetype",
        processor=tile,
        params=CatmaidURLTileParams,
        path=CatmaidURLPathProcessor,
        path_params=CatmaidURLPathParams,
        reader=CatmaidURLReader,
        example="catmaid-url.json",
    )


LAYOUTS = (
    _layout(
        "type 1: z/y_x_resolution.filetype",
        CatmaidFileImageStackPathProcessor,
        CatmaidFileImageStackTileProcessor,
        CatmaidFileImageStackReader,
        "catmaid.json",
    ),
    _layout(
        "type 4: resolution/z/y_x.filetype",
        CatmaidFileImageStackZoomLevelPathProcessor,
        CatmaidFileImageStackZoomLevelTileProcessor,
        CatmaidFileImageStackZoomLevelReader,
        "catmaid.json",
    ),
    _layout(
        "type 5: resolution/z/y/x.filetype",
        CatmaidDirectoryImageStackPathProcessor,
        CatmaidDirectoryImageStackTileProcessor,
        CatmaidDirectoryImageStackReader,
        "catmaid.json",
    ),
    _served(CatmainURLTileProcessor),
    _served(CatmaidURLTileProcessor),
)
