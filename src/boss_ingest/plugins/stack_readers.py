"""The async readers of image stacks: tiles as the files are, or cut out of slices; chunks out of slices."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from boss_ingest.errors import SourceError
from boss_ingest.plugins.objects import Objects
from boss_ingest.plugins.reader import Box, ChunkReader, MadeUp, Setup, SourceInfo, TileIndex, TileReader
from boss_ingest.plugins.stack_image import header, take_damage_seriously
from boss_ingest.plugins.stack_names import StackNames
from boss_ingest.plugins.stack_params import StackChunkParams, StackTileParams
from boss_ingest.plugins.stack_slices import Form, Name, Slices
from boss_ingest.plugins.tile_grid import TileGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SLICES_AT_ONCE = 16
"""The tasks of a tile job come as the Boss queues them: 16 slices of one place, then the next."""


class StackReader(TileReader):
    """Reads the files of a stack as they are, or tiles out of slices, off the event loop."""

    _objects: Objects | None = None
    _slices: Slices | None = None

    async def open(self, setup: Setup) -> None:
        """Check the params; looks at no file. Raises ConfigError."""
        params = StackTileParams.read(setup.params, section="client.tile_processor")
        self._names = self.names(setup)
        self._grid = TileGrid(setup.ingest_job)
        tall, wide = self._grid.size_yx
        self._objects = opened(params, self._names, section="client.tile_processor")
        self._most_bytes = (64 << 20) + 32 * tall * wide
        take_damage_seriously()
        if params.images != "tiles":
            form = Form.of(params, setup.ingest_job, (_SLICES_AT_ONCE, tall, wide))
            self._slices = Slices(self._objects, form, cache_bytes=setup.cache_bytes)

    def names(self, setup: Setup) -> StackNames:
        """What the files are called. Raises ConfigError."""
        return StackNames.of(setup.path_params, setup.ingest_job)

    async def read(self, index: TileIndex) -> bytes | NDArray[Any] | MadeUp:
        """The bytes of the file, or the pixels inside the extent. Raises SourceError, MissingSourceError."""
        path = self._path(index)
        if self._slices is not None:
            return await self.cut(self._names.image, index)
        assert self._objects is not None
        return await self._objects.read(path, most_bytes=self._most_bytes)

    async def cut(self, name: Name, index: TileIndex) -> NDArray[Any] | MadeUp:
        """A tile (yx) out of the images of those names, as far as it lies inside the extent."""
        assert self._slices is not None
        rows, columns = self._inside(index)
        found = await self._slices.volume(name, range(index.z, index.z + 1), rows, columns)
        tile: NDArray[Any] = found.voxels[0] if isinstance(found, MadeUp) else found[0]
        whole_rows, whole_columns = self._grid.pixels(index.x, index.y)
        above, before = rows.start - whole_rows.start, columns.start - whole_columns.start
        if above or before:
            tile = await asyncio.to_thread(_lower, tile, above, before)
        return MadeUp(tile, found.why) if isinstance(found, MadeUp) else tile

    def locate(self, index: TileIndex) -> str:
        """The path of the file, and what of it. Raises SourceError for an index outside of the job."""
        path = self._path(index)
        assert self._objects is not None
        if self._slices is None:
            return self._objects.where(path)
        rows, columns = self._inside(index)
        return self._slices.where(self._names.image, range(index.z, index.z + 1), rows, columns)

    async def describe(self) -> SourceInfo:
        """The type of the first slice's pixels. Raises SourceError when it can't be read."""
        assert self._objects is not None
        x, y, z, _ = self._grid.first()
        if self._slices is not None:
            rows, columns = self._grid.inside(x, y)
            path = self._slices.path_at(self._names.image, z, rows.start, columns.start)
            found = await self._slices.header(path)
        else:
            path = self._path(TileIndex(x, y, z, 0))
            body = await self._objects.read(path, most_bytes=self._most_bytes)
            found = await asyncio.to_thread(header, body, name=path)
        return SourceInfo(dtype=found.dtype, shape_zyx=None, where=path)

    async def close(self) -> None:
        """Let go of what is cached and of temporary copies."""
        for part in (self._slices, self._objects):
            if part is not None:
                await part.close()

    def _path(self, index: TileIndex) -> str:
        try:
            return self._names.path(index.x, index.y, index.z, index.t)
        except IndexError as error:
            raise SourceError(f"{index} has no file: {error}") from error

    def _inside(self, index: TileIndex) -> tuple[range, range]:
        rows, columns = self._grid.inside(index.x, index.y)
        if not rows or not columns:
            raise SourceError(f"{index} lies outside of the extent in ingest_job")
        return rows, columns


class StackChunkReader(ChunkReader):
    """Reads boxes out of slices; a slice that chunks share is decoded once, as far as memory goes."""

    _slices: Slices | None = None

    async def open(self, setup: Setup) -> None:
        """Check the params; looks at no file. Raises ConfigError."""
        params = StackChunkParams.read(setup.params, section="client.chunk_processor")
        self._names = self.names(setup)
        size = setup.ingest_job["chunk_size"]
        form = Form.of(params, setup.ingest_job, (size["z"], size["y"], size["x"]))
        self._first_zyx = tuple(setup.ingest_job["extent"][axis][0] for axis in "zyx")
        objects = opened(params, self._names, section="client.chunk_processor")
        self._slices = Slices(objects, form, cache_bytes=setup.cache_bytes)

    def names(self, setup: Setup) -> StackNames:
        """What the files are called. Raises ConfigError."""
        return StackNames.of(setup.path_params, setup.ingest_job)

    async def read(self, box: Box) -> NDArray[Any] | MadeUp:
        """The voxels (zyx). Raises SourceError naming the file, MissingSourceError."""
        return await self.cut(self._names.image, box)

    async def cut(self, name: Name, box: Box) -> NDArray[Any] | MadeUp:
        """A box out of the images of those names."""
        assert self._slices is not None
        return await self._slices.volume(name, *_spans(box))

    def locate(self, box: Box) -> str:
        """The first file and the last, and what of them. Raises SourceError outside of the job."""
        assert self._slices is not None
        return self._slices.where(self._names.image, *_spans(box))

    async def describe(self) -> SourceInfo:
        """The type of the first slice's pixels. Raises SourceError when it can't be read."""
        assert self._slices is not None
        path = self._slices.path_at(self._names.image, *self._first_zyx)
        return SourceInfo(dtype=(await self._slices.header(path)).dtype, shape_zyx=None, where=path)

    async def close(self) -> None:
        """Let go of what is cached and of temporary copies."""
        if self._slices is not None:
            await self._slices.close()


def opened(params: StackTileParams | StackChunkParams, names: StackNames, *, section: str) -> Objects:
    """Where the files lie. Raises ConfigError."""
    return Objects.open(
        params.filesystem,
        bucket=params.bucket,
        endpoint_url=params.endpoint_url,
        temp_dir=params.temp_dir,
        root_dir=names.root_dir,
        allow_outside_root=names.allow_outside,
        section=section,
    )


def _spans(box: Box) -> tuple[range, range, range]:
    z, y, x = (range(low, high) for low, high in zip(box.start_zyx, box.stop_zyx, strict=True))
    return z, y, x


def _lower(tile: NDArray[Any], above: int, before: int) -> NDArray[Any]:
    """The tile with zeros for what lies outside the extent at its low ends."""
    import numpy as np

    return np.pad(tile, ((above, 0), (before, 0)))
