"""Readers of multipage_tiff: pages are sought, not loaded, and of a page just a tile's part is read."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from boss_ingest.errors import ConfigError, Problem, SourceError
from boss_ingest.plugins.objects import Objects
from boss_ingest.plugins.reader import Setup, SourceInfo, TileIndex, TileReader
from boss_ingest.plugins.tiff_files import TiffFiles
from boss_ingest.plugins.tiff_multipage_params import (
    PATH,
    TILE,
    HyperStackPathParams,
    HyperStackTileParams,
    SingleTimeTileParams,
    SliceFiles,
    hyperstack_file,
)
from boss_ingest.plugins.tiff_planes import Plane, Planes
from boss_ingest.plugins.tile_grid import TileGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_BLOCK_BYTES = 64 << 20


def planes_for(grid: TileGrid, cache_bytes: int = 0) -> Planes:
    """Reads pages for tiles of that grid."""
    rows, columns = grid.size_yx
    most = max(_LEAST_BLOCK_BYTES + 64 * rows * columns, cache_bytes)
    return Planes(TiffFiles(), most_block_bytes=most, cache_bytes=cache_bytes)


def objects_for(given: HyperStackTileParams, names: HyperStackPathParams | None) -> Objects:
    """Where a hyperstack's files are; without `names`, a path processor of somebody else names them."""
    return Objects.open(
        given.filesystem,
        bucket=given.bucket,
        temp_dir=given.temp_dir,
        root_dir=names.root_dir if names else None,
        allow_outside_root=names.allow_outside_root if names else True,
        section=TILE,
    )


class PageReader(TileReader):
    """Reads parts of pages; what the two readers have in common."""

    _pages: Planes | None = None
    _stored: Objects | None = None

    async def open(self, setup: Setup) -> None:
        """Check the params; looks at no file. Raises ConfigError."""
        self._grid = TileGrid(setup.ingest_job)
        self._take(setup)
        self._pages = planes_for(self._grid, setup.cache_bytes)

    @abstractmethod
    def _take(self, setup: Setup) -> None:
        """Read the params."""

    @abstractmethod
    def _page(self, index: TileIndex) -> int:
        """Which page of its file has the tile."""

    @abstractmethod
    def _file(self, index: TileIndex) -> str:
        """The tile's file."""

    async def _plane(self, index: TileIndex) -> Plane:
        assert self._stored is not None
        file = self._file(index)
        path = await self._stored.local_path(file)
        return Plane(str(path), self._page(index), alone=True, name=self._stored.where(file))

    async def read(self, index: TileIndex) -> NDArray[Any]:
        """The pixels (yx), less where the page ends before. Raises SourceError, MissingSourceError."""
        assert self._pages is not None
        return await self._pages.window(await self._plane(index), *self._grid.pixels(index.x, index.y))

    def locate(self, index: TileIndex) -> str:
        """File and page. Raises SourceError for an index outside of the job."""
        assert self._stored is not None
        return f"{self._stored.where(self._file(index))} page {self._page(index)}"

    async def describe(self) -> SourceInfo:
        """The type of the first tile's pixels. Raises SourceError when it can't be read."""
        first = TileIndex(*self._grid.first())
        assert self._pages is not None
        page = await self._pages.page(await self._plane(first))
        return SourceInfo(page.dtype.name, None, self.locate(first))

    async def close(self) -> None:
        """Let go of the files and what was decoded."""
        if self._pages is not None:
            await self._pages.close()
        if self._stored is not None:
            await self._stored.close()


class SingleTimeTiffReader(PageReader):
    """Reads tiles of pages, one file a slice, one page a time sample."""

    def _take(self, setup: Setup) -> None:
        SingleTimeTileParams.read(setup.params, section=TILE)
        self._names = SliceFiles(setup.path_params, self._grid)
        given = self._names.given
        self._stored = Objects.open(
            "local", root_dir=given.root_dir, allow_outside_root=given.allow_outside_root
        )

    def _file(self, index: TileIndex) -> str:
        try:
            return self._names.path(index.x, index.y, index.z, index.t)
        except IndexError as error:
            raise SourceError(f"{index} has no file: {error}") from error

    def _page(self, index: TileIndex) -> int:
        return index.t


class TiffMultiFileHyperStackReader(PageReader):
    """Reads tiles of pages, many slices, channels and time samples in a file."""

    def _take(self, setup: Setup) -> None:
        self._given = HyperStackTileParams.read(setup.params, section=TILE)
        self._names = HyperStackPathParams.read(setup.path_params, section=PATH)
        if self._names.time_chunk_size != self._given.time_chunk_size:
            problem = Problem(
                f"{TILE}.params.time_chunk_size",
                str(self._given.time_chunk_size),
                f"{PATH}.params.time_chunk_size is {self._names.time_chunk_size}",
                "write the same number in both",
            )
            raise ConfigError("the hyperstack cannot be read", problems=(problem,))
        self._stored = objects_for(self._given, self._names)

    def _file(self, index: TileIndex) -> str:
        try:
            self._grid.check(x=index.x, y=index.y, z=index.z, t=index.t)
        except IndexError as error:
            raise SourceError(f"{index} has no file: {error}") from error
        return hyperstack_file(self._names, index.x, index.y, index.t)

    def _page(self, index: TileIndex) -> int:
        return self._given.page(index.z, index.t)
