"""Reads HDF5 tiles and volumes asynchronously. The layouts, and what they are called, are in hdf5.py."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from boss_ingest.errors import SourceError
from boss_ingest.plugins.hdf5_blocks import Blocks
from boss_ingest.plugins.hdf5_files import Place
from boss_ingest.plugins.hdf5_tiles import memory_order
from boss_ingest.plugins.objects import Objects
from boss_ingest.plugins.reader import MadeUp, Setup, SourceInfo, TileIndex, TileReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from boss_ingest.plugins.hdf5_names import Names
    from boss_ingest.plugins.hdf5_params import Hdf5TileParams, Hdf5Where
    from boss_ingest.plugins.hdf5_tiles import Cut


def most_block_bytes(setup: Setup, voxels: int) -> int:
    """The most that one stored block may take, decoded, in a job of tiles or chunks of so many voxels."""
    return max(setup.cache_bytes, (64 << 20) + 32 * voxels)


def objects_of(given: Hdf5Where, **more: Any) -> Objects:
    """The files that these params lead to. Raises ConfigError."""
    return Objects.open(
        given.filesystem,
        bucket=given.bucket,
        endpoint_url=given.endpoint_url,
        temp_dir=given.temp_dir,
        **more,
    )


class Hdf5TileReader(TileReader):
    """Tiles of any layout: `names` says which file, `cut` which of its voxels."""

    names: ClassVar[type[Names]]
    cut: ClassVar[type[Cut]]
    params: ClassVar[type[Hdf5TileParams]]
    _blocks: Blocks | None = None
    _objects: Objects | None = None

    async def open(self, setup: Setup) -> None:
        """Check the params; looks at no file. Raises ConfigError."""
        self._names = self.names(setup.path_params, setup.ingest_job)
        given = self.params.read(setup.params, section="client.tile_processor")
        self._cut = self.cut(given, setup.ingest_job)
        self._fixed = frozenset(self._cut.axes.index(axis) for axis in self._cut.fixed)
        rows, columns = self._cut.tile_yx
        self._blocks = Blocks(
            self._names.links,
            cache_bytes=setup.cache_bytes,
            most_bytes=most_block_bytes(setup, rows * columns),
        )
        self._objects = objects_of(
            given,
            root_dir=self._names.root_dir,
            allow_outside_root=self._names.allow_outside_root,
        )
        self._extent = extent = setup.ingest_job["extent"]
        x, y = extent["x"][0] // columns, extent["y"][0] // rows
        self._first = TileIndex(x, y, extent["z"][0], extent["t"][0])

    async def read(self, index: TileIndex) -> NDArray[Any] | MadeUp:
        """The voxels (yx). Raises SourceError, MissingSourceError without the file."""
        assert self._blocks is not None
        cut = self._cut
        stored = await self._blocks.look(await self._place(index), cut.beside)
        try:
            part = cut.part(index, stored)
        except IndexError as error:
            hint = "correct ingest_job.extent, or the params of the plugins"
            raise SourceError(f"{self.locate(index)}: {error}", hint=hint) from error
        values = None
        if part.selection is not None:
            order = memory_order(cut.axes, "yx")
            values = await self._blocks.read(stored, part.selection, order=order, fixed=self._fixed)
        tile = await asyncio.to_thread(cut.tile, part, values, stored)
        why = cut.made_up(index, stored)
        return MadeUp(tile, why) if why else tile

    def locate(self, index: TileIndex) -> str:
        """File, dataset and tile. Raises SourceError for an index outside of the job."""
        tile = f"z {index.z}, tile y {index.y} x {index.x}, t {index.t}"
        return f"{self._shown(self._name(index))}:{self._cut.dataset}[{tile}]"

    async def describe(self) -> SourceInfo:
        """The type of the first tile's dataset. Raises SourceError."""
        assert self._blocks is not None
        stored = await self._blocks.look(await self._place(self._first), self._cut.beside)
        self._cut.check_axes(stored)
        shape = None
        if self._cut.whole:
            z, y, x = stored.shape
            shape = z, y, x
        return SourceInfo(self._cut.dtype(stored), shape, where=str(stored.place))

    async def close(self) -> None:
        """Close all files, and remove copies from S3."""
        if self._blocks is not None:
            await self._blocks.close()
        if self._objects is not None:
            await self._objects.close()

    def _name(self, index: TileIndex) -> str:
        start, stop = self._extent["t"]
        if not start <= index.t < stop:
            raise SourceError(f"{index} has no file: ingest_job.extent.t is [{start}, {stop}]")
        try:
            return self._names.path(index.x, index.y, index.z)
        except IndexError as error:
            raise SourceError(f"{index} has no file: {error}") from error

    def _shown(self, name: str) -> str:
        return self._objects.where(name) if self._objects is not None else name

    async def _place(self, index: TileIndex) -> Place:
        """The file on this machine, and its dataset."""
        assert self._objects is not None
        name = self._name(index)
        path = await self._objects.local_path(name)
        return Place(str(path), self._cut.dataset, self._shown(name))
