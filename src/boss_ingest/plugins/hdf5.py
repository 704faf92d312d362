"""HDF5 files (`boss-ingest[hdf5]`): slices, blocks, time series and volumes as tiles; volumes as chunks.

Two faces of the same thing: the classic classes, to subclass or to pair with one's own; and readers, which
take the place of a pair that a job file names as it is. Hdf5VolumeReader is new, and reads chunks.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from boss_ingest.errors import SourceError
from boss_ingest.plugins import hdf5_names, hdf5_params, hdf5_tiles
from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.files import Folder, was_there
from boss_ingest.plugins.hdf5_blocks import Blocks
from boss_ingest.plugins.hdf5_files import Files, Place, Stored
from boss_ingest.plugins.hdf5_reader import Hdf5TileReader, most_block_bytes, objects_of
from boss_ingest.plugins.hdf5_tiles import in_order, memory_order
from boss_ingest.plugins.hdf5_volume import Hdf5VolumeParams, Volume
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.reader import Box, ChunkReader, Setup, SourceInfo, TileIndex
from boss_ingest.plugins.tile import TileProcessor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from boss_ingest.plugins.hdf5_names import Names
    from boss_ingest.plugins.hdf5_params import Hdf5TileParams
    from boss_ingest.plugins.hdf5_tiles import Cut
    from boss_ingest.plugins.objects import Objects

CLASSIC_CACHE_BYTES = 64 << 20
"""What HDF5 keeps of decoded blocks for a classic processor, of each dataset."""


class _Paths(PathProcessor):
    _kind: ClassVar[type[Names]]

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        self._names = self._kind(parameters, parameters["ingest_job"])

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The tile's file. Raises IndexError outside of the job, SourceError outside of root_dir."""
        path = self._names.path(x_index, y_index, z_index)
        self._names.check(path)
        return path


class _Tiles(TileProcessor):
    _cut: ClassVar[type[Cut]]
    _params: ClassVar[type[Hdf5TileParams]]

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        given = self._params.read(parameters, section="client.tile_processor")
        self._png = given.upload_format.lower() == "png"
        self._tiles = self._cut(given, parameters["ingest_job"])
        self._objects = objects_of(given)
        self._files = Files(None, cache_bytes=CLASSIC_CACHE_BYTES)

    def process(
        self,
        file_path: str,
        x_index: int,
        y_index: int,
        z_index: int,
        t_index: int | None = 0,
    ) -> IO[bytes]:
        """The tile as TIFF, or PNG. Raises IndexError for what the dataset does not have, SourceError."""
        path = self._objects.local_path_now(file_path)
        place = Place(str(path), self._tiles.dataset, self._objects.where(file_path))
        stored = self._files.look(place, self._tiles.beside)
        part = self._tiles.part(TileIndex(x_index, y_index, z_index, t_index or 0), stored)
        values = None if part.selection is None else self._files.part(stored, part.selection)
        return _image(self._tiles.tile(part, values, stored), stored, png=self._png)


def _image(tile_yx: NDArray[Any], stored: Stored, *, png: bool) -> IO[bytes]:
    """An image file without loss: of 8, 16 or 32 bits, the last always TIFF. Raises SourceError."""
    import numpy as np
    from PIL import Image

    tile_yx = tile_yx.astype(tile_yx.dtype.newbyteorder("="), copy=False)
    if tile_yx.dtype not in (np.uint8, np.uint16):
        low, high = tile_yx.min(), tile_yx.max()
        if tile_yx.dtype.kind not in "bui" or low < 0 or high >= 1 << 31:
            raise SourceError(
                f"{stored.place} has {tile_yx.dtype.name} values from {low:g} to {high:g}, "
                "a tile holds whole numbers from 0 to 2147483647",
                hint="convert the dataset",
            )
        tile_yx = tile_yx.astype(np.int32)
    into = io.BytesIO()
    as_png = png and tile_yx.dtype.itemsize < 4
    Image.fromarray(np.ascontiguousarray(tile_yx)).save(into, "PNG" if as_png else "TIFF")
    return into


class Hdf5TimeSeriesPathProcessor(_Paths):
    """One file a slice: see Hdf5SlicePathParams."""

    _kind = hdf5_names.SliceNames


class Hdf5SlicePathProcessor(_Paths):
    """One file a slice: see Hdf5SlicePathParams."""

    _kind = hdf5_names.SliceNames


class Hdf5ChunkPathProcessor(_Paths):
    """One file a block of voxels: see Hdf5ChunkPathParams."""

    _kind = hdf5_names.ChunkNames


class Hdf5SingleFilePathProcessor(_Paths):
    """One file: see Hdf5SingleFilePathParams."""

    _kind = hdf5_names.SingleName


class Hdf5TimeSeriesTileProcessor(_Tiles):
    """One channel of `dataset[t, x, y, channel]`, times a factor: see Hdf5TimeSeriesTileParams."""

    _cut = hdf5_tiles.TimeSeries
    _params = hdf5_params.Hdf5TimeSeriesTileParams


class Hdf5TimeSeriesLabelTileProcessor(_Tiles):
    """Labels `dataset[x, y]`: see Hdf5TimeSeriesLabelTileParams."""

    _cut = hdf5_tiles.TimeSeriesLabel
    _params = hdf5_params.Hdf5TimeSeriesLabelTileParams


class Hdf5SliceTileProcessor(_Tiles):
    """A slice `data_name[y, x]` that knows where it lies: see Hdf5SliceTileParams."""

    _cut = hdf5_tiles.Slice
    _params = hdf5_params.Hdf5SliceTileParams


class Hdf5ChunkTileProcessor(_Tiles):
    """Whole planes of `data_name[z mod z_chunk_size, y, x]`: see Hdf5ChunkTileParams."""

    _cut = hdf5_tiles.Chunk
    _params = hdf5_params.Hdf5ChunkTileParams


class Hdf5SingleFileTileProcessor(_Tiles):
    """A volume `data_name[z, y, x]`: see Hdf5SingleFileTileParams."""

    _cut = hdf5_tiles.SingleFile
    _params = hdf5_params.Hdf5SingleFileTileParams


class Hdf5TimeSeriesReader(Hdf5TileReader):
    """Reads what Hdf5TimeSeriesTileProcessor reads."""

    names, cut, params = hdf5_names.SliceNames, hdf5_tiles.TimeSeries, hdf5_params.Hdf5TimeSeriesTileParams


class Hdf5TimeSeriesLabelReader(Hdf5TileReader):
    """Reads what Hdf5TimeSeriesLabelTileProcessor reads."""

    names, cut = hdf5_names.SliceNames, hdf5_tiles.TimeSeriesLabel
    params = hdf5_params.Hdf5TimeSeriesLabelTileParams


class Hdf5SliceReader(Hdf5TileReader):
    """Reads what Hdf5SliceTileProcessor reads."""

    names, cut, params = hdf5_names.SliceNames, hdf5_tiles.Slice, hdf5_params.Hdf5SliceTileParams


class Hdf5ChunkReader(Hdf5TileReader):
    """Reads what Hdf5ChunkTileProcessor reads."""

    names, cut, params = hdf5_names.ChunkNames, hdf5_tiles.Chunk, hdf5_params.Hdf5ChunkTileParams


class Hdf5SingleFileReader(Hdf5TileReader):
    """Reads what Hdf5SingleFileTileProcessor reads."""

    names, cut, params = hdf5_names.SingleName, hdf5_tiles.SingleFile, hdf5_params.Hdf5SingleFileTileParams


class Hdf5VolumeReader(ChunkReader):
    """Boxes of voxels of a dataset, whatever the order of its axes: see Hdf5VolumeParams."""

    _blocks: Blocks | None = None
    _objects: Objects | None = None

    async def open(self, setup: Setup) -> None:
        """Open the file, and see that the dataset is as the params say. Raises ConfigError, SourceError."""
        self._given = given = Hdf5VolumeParams.read(setup.params, section="client.chunk_processor")
        self._volume = Volume(given)
        self._objects = objects_of(given, section="client.chunk_processor")
        size = setup.ingest_job["chunk_size"]
        limit = most_block_bytes(setup, size["x"] * size["y"] * size["z"])
        links = Folder(str(Path(given.filename).parent), allow_outside=given.allow_outside_root)
        self._blocks = Blocks(links, cache_bytes=setup.cache_bytes, most_bytes=limit)
        self._volume.check(await self._look())

    async def read(self, box: Box) -> NDArray[Any]:
        """The voxels (zyx). Raises SourceError, also when the box leaves the volume."""
        assert self._blocks is not None
        with was_there():
            stored = await self._look()
            selection = self._volume.selection(box, stored)
            order = memory_order(self._volume.axes, "zyx")
            values = await self._blocks.read(stored, selection, order=order, fixed=self._volume.fixed)
        return in_order(values, self._volume.axes, "zyx")

    async def describe(self) -> SourceInfo:
        """Type and shape of the dataset. Raises SourceError."""
        stored = await self._look()
        return SourceInfo(stored.dtype.name, self._volume.shape_zyx(stored), where=str(stored.place))

    async def close(self) -> None:
        """Close the file, and remove its copy from S3."""
        if self._blocks is not None:
            await self._blocks.close()
        if self._objects is not None:
            await self._objects.close()

    def locate(self, box: Box) -> str:
        """File, dataset and box."""
        assert self._objects is not None
        z, y, x = (f"{low}:{high}" for low, high in zip(box.start_zyx, box.stop_zyx, strict=True))
        return f"{self._objects.where(self._given.filename)}:{self._given.dataset}[z {z}, y {y}, x {x}]"

    async def _look(self) -> Stored:
        assert self._objects is not None
        assert self._blocks is not None
        name = self._given.filename
        path = await self._objects.local_path(name)
        return await self._blocks.look(Place(str(path), self._given.dataset, self._objects.where(name)))


LAYOUTS = (
    Layout(
        name="hdf5.Hdf5ChunkTileProcessor",
        reads="HDF5, one file a block of some slices, named by its voxels; axes z, y, x; from disk or S3",
        processor=Hdf5ChunkTileProcessor,
        params=hdf5_params.Hdf5ChunkTileParams,
        path=Hdf5ChunkPathProcessor,
        path_params=hdf5_params.Hdf5ChunkPathParams,
        reader=Hdf5ChunkReader,
        extra="hdf5",
        example="hdf5-chunk.json",
    ),
    Layout(
        name="hdf5.Hdf5SingleFileTileProcessor",
        reads="HDF5, a volume in one file, as tiles; axes z, y, x; from disk or S3",
        processor=Hdf5SingleFileTileProcessor,
        params=hdf5_params.Hdf5SingleFileTileParams,
        path=Hdf5SingleFilePathProcessor,
        path_params=hdf5_params.Hdf5SingleFilePathParams,
        reader=Hdf5SingleFileReader,
        extra="hdf5",
        example="hdf5-single-file.json",
    ),
    Layout(
        name="hdf5.Hdf5SliceTileProcessor",
        reads="HDF5, one file a slice, each with its place in the frame; axes y, x; from disk or S3",
        processor=Hdf5SliceTileProcessor,
        params=hdf5_params.Hdf5SliceTileParams,
        path=Hdf5SlicePathProcessor,
        path_params=hdf5_params.Hdf5SlicePathParams,
        reader=Hdf5SliceReader,
        extra="hdf5",
        example="hdf5-slice.json",
    ),
    Layout(
        name="hdf5.Hdf5TimeSeriesLabelTileProcessor",
        reads="HDF5, one file of labels a slice, for all times; axes x, y; from disk or S3",
        processor=Hdf5TimeSeriesLabelTileProcessor,
        params=hdf5_params.Hdf5TimeSeriesLabelTileParams,
        path=Hdf5TimeSeriesPathProcessor,
        path_params=hdf5_params.Hdf5SlicePathParams,
        reader=Hdf5TimeSeriesLabelReader,
        extra="hdf5",
        example="hdf5-time-series-label.json",
    ),
    Layout(
        name="hdf5.Hdf5TimeSeriesTileProcessor",
        reads="HDF5, one file a slice with all times and channels; axes t, x, y, channel; from disk or S3",
        processor=Hdf5TimeSeriesTileProcessor,
        params=hdf5_params.Hdf5TimeSeriesTileParams,
        path=Hdf5TimeSeriesPathProcessor,
        path_params=hdf5_params.Hdf5SlicePathParams,
        reader=Hdf5TimeSeriesReader,
        extra="hdf5",
        example="hdf5-time-series.json",
    ),
    Layout(
        name="hdf5.Hdf5VolumeReader",
        reads="HDF5, a volume in one file, as chunks; any dataset, any order of axes; from disk or S3",
        processor=Hdf5VolumeReader,
        params=Hdf5VolumeParams,
        extra="hdf5",
        example="hdf5-volume.json",
    ),
)
