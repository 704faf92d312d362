"""Readers of CATMAID's tiles, from files and from a server: the images as they are.

Only images in colour are decoded, as the Boss stores one number a pixel: where red, green and blue are the
same, that is the grey.
"""

from __future__ import annotations

import asyncio
import io
import logging
from typing import TYPE_CHECKING, Any

from boss_ingest.errors import ConfigError, MissingSourceError, Problem, SourceError
from boss_ingest.plugins.catmaid_params import (
    PATH,
    TILE,
    CatmaidPathParams,
    CatmaidTileParams,
    CatmaidURLTileParams,
)
from boss_ingest.plugins.files import Folder
from boss_ingest.plugins.http_images import ForbiddenSourceError, HttpImages, check_url, without_password
from boss_ingest.plugins.reader import MadeUp, Setup, SourceInfo, TileIndex, TileReader
from boss_ingest.plugins.tile_grid import TileGrid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_log = logging.getLogger(__name__)


class CatmaidFiles:
    """The files of one of CATMAID's layouts, `template` below root_dir. Raises ConfigError."""

    def __init__(self, template: str, params: Mapping[str, Any], ingest_job: Mapping[str, Any]) -> None:
        given = CatmaidPathParams.read(params, section=PATH)
        self.folder = Folder(given.root_dir, allow_outside=given.allow_outside_root)
        self.grid = TileGrid(ingest_job)
        self._template = template
        self._known = {"resolution": ingest_job["resolution"], "filetype": given.filetype}

    def path(self, x: int, y: int, z: int, t: int | None) -> str:
        """The tile's file; looks at no disk. Raises IndexError outside of the job."""
        if t != 0:
            raise IndexError(f"t is {t}, CATMAID's tiles have the one time sample 0")
        self.grid.check(x=x, y=y, z=z, t=t)
        return self.folder.join(self._template.format(x=x, y=y, z=z, **self._known))


class _ImageReader(TileReader):
    """Hands on images, grey ones in colour as grey."""

    _grid: TileGrid

    async def read(self, index: TileIndex) -> bytes | NDArray[Any] | MadeUp:
        """The image as it is, or its pixels (yx). Raises SourceError, MissingSourceError."""
        name = self.locate(index)
        found = await self._image(index, name)
        return found if not isinstance(found, bytes) else await asyncio.to_thread(grey, found, self._grid)

    async def _image(self, index: TileIndex, name: str) -> bytes | MadeUp:
        raise NotImplementedError

    async def describe(self) -> SourceInfo:
        """The type of the first tile's pixels. Raises SourceError when it can't be read."""
        from boss_ingest.plugins.stack_image import header

        first = TileIndex(*self._grid.first())
        found, name = await self.read(first), self.locate(first)
        dtype = (
            (await asyncio.to_thread(header, found, name=name)).dtype if isinstance(found, bytes) else "uint8"
        )
        return SourceInfo(dtype, None, name)


class CatmaidFileReader(_ImageReader):
    """Reads tiles from files, off the event loop."""

    template: str
    _files: CatmaidFiles

    async def open(self, setup: Setup) -> None:
        """Check the params; looks at no file. Raises ConfigError."""
        CatmaidTileParams.read(setup.params, section=TILE)
        self._files = CatmaidFiles(self.template, setup.path_params, setup.ingest_job)
        self._grid = self._files.grid

    async def _image(self, index: TileIndex, name: str) -> bytes:
        return await self._files.folder.read(name, most_bytes=_most_bytes(self._grid))

    def locate(self, index: TileIndex) -> str:
        """The path of the file. Raises SourceError for an index outside of the job."""
        try:
            return self._files.path(index.x, index.y, index.z, index.t)
        except IndexError as error:
            raise SourceError(f"{index} has no file: {error}") from error

    async def close(self) -> None:
        """There is nothing to let go of."""


class CatmaidFileImageStackReader(CatmaidFileReader):
    """CATMAID's tile source type 1."""

    template = "{z}/{y}_{x}_{resolution}.{filetype}"


class CatmaidFileImageStackZoomLevelReader(CatmaidFileReader):
    """CATMAID's tile source type 4."""

    template = "{resolution}/{z}/{y}_{x}.{filetype}"


class CatmaidDirectoryImageStackReader(CatmaidFileReader):
    """CATMAID's tile source type 5."""

    template = "{resolution}/{z}/{y}/{x}.{filetype}"


class ServedTiles:
    """Tiles of a server, offsets applied. Raises ConfigError for wrong params."""

    def __init__(self, params: Mapping[str, Any], ingest_job: Mapping[str, Any]) -> None:
        self._given = given = CatmaidURLTileParams.read(params, section=TILE)
        check_url(given.url, where=f"{TILE}.params.url", ends_with="/")
        self.grid = TileGrid(ingest_job)
        rows, columns = self.grid.size_yx
        self._shift_yx = (_whole(given.y_offset, rows, "y"), _whole(given.x_offset, columns, "x"))
        self.images = HttpImages(most_bytes=_most_bytes(self.grid))

    def url(self, x: int, y: int, z: int) -> str | None:
        """Where the tile is; None where the offsets lead below 0."""
        at = z + self._given.z_offset, y + self._shift_yx[0], x + self._shift_yx[1]
        if min(at) < 0:
            return None
        return f"{self._given.url}{'/'.join(map(str, at))}.{self._given.filetype}"

    async def read(self, x: int, y: int, z: int) -> bytes | MadeUp:
        """The image as it is, zeros where the offsets lead below 0. Raises (Missing)SourceError."""
        import numpy as np

        url = self.url(x, y, z)
        if url is None:
            why = f"with the offsets, tile z {z}, y {y}, x {x} lies below 0, where the server has none"
            return MadeUp(np.zeros(self.grid.size_yx, np.uint8), why)
        try:
            return await self.images.read(url)
        except ForbiddenSourceError as error:
            if not self._given.zeros_on_403:
                raise
            raise MissingSourceError(error.what, hint=error.hint) from error


class CatmaidURLReader(_ImageReader):
    """Gets tiles from a server, many at a time."""

    _served: ServedTiles | None = None

    async def open(self, setup: Setup) -> None:
        """Check the params; asks the server nothing. Raises ConfigError."""
        self._served = ServedTiles(setup.params, setup.ingest_job)
        self._grid = self._served.grid

    async def _image(self, index: TileIndex, name: str) -> bytes | MadeUp:
        assert self._served is not None
        return await self._served.read(index.x, index.y, index.z)

    def locate(self, index: TileIndex) -> str:
        """The URL. Raises SourceError for an index outside of the job."""
        assert self._served is not None
        try:
            self._grid.check(x=index.x, y=index.y, z=index.z, t=index.t)
        except IndexError as error:
            raise SourceError(f"{index} has no URL: {error}") from error
        if index.t:
            raise SourceError(f"{index} has no URL: CATMAID's tiles have the one time sample 0")
        url = self._served.url(index.x, index.y, index.z)
        return without_password(url) if url else f"{index}, with its offsets below 0"

    async def close(self) -> None:
        """Close the connections."""
        if self._served is not None:
            await self._served.images.close()


def grey(body: bytes, grid: TileGrid) -> bytes | NDArray[Any]:
    """The grey pixels (yx) of an image in colour whose colours are all grey; any other as it is.

    What cannot be decoded is left to those who judge all images.
    """
    import numpy as np
    from PIL import Image

    rows, columns = grid.size_yx
    try:
        with Image.open(io.BytesIO(body)) as image:
            if image.mode != "RGB" or image.height * image.width > rows * columns:
                return body
            colours = np.asarray(image)
    except Exception:  # noqa: BLE001 - whatever Pillow raises: the engine tells what is wrong with the image
        return body
    same: bool = np.array_equal(colours[..., 0], colours[..., 1]) and np.array_equal(
        colours[..., 0], colours[..., 2]
    )
    return np.ascontiguousarray(colours[..., 0]) if same else body


def _most_bytes(grid: TileGrid) -> int:
    rows, columns = grid.size_yx
    return (1 << 20) + 16 * rows * columns


def _whole(offset: int, size: int, axis: str) -> int:
    tiles, rest = divmod(offset, size)
    if rest:
        problem = Problem(
            f"{TILE}.params.{axis}_offset",
            str(offset),
            f"the server has whole tiles: it must be a multiple of tile_size.{axis}, {size}",
            f"write {tiles * size} or {(tiles + 1) * size}",
        )
        raise ConfigError("the tiles cannot be read with these offsets", problems=(problem,))
    return tiles
