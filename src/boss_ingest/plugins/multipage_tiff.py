"""TIFF files of many pages: one file a slice with a page for each time sample, or hyperstacks in many files.

Pages are sought, not loaded. These are the classic classes, to subclass or to pair with one's own; the
readers of tiff_multipage take their place when a job file names both as they are. With tifffile and
imagecodecs (`boss-ingest[tiff]`).
"""

from __future__ import annotations

import io
import weakref
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from boss_ingest.errors import SourceError
from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.tiff_files import TiffFiles
from boss_ingest.plugins.tiff_multipage import (
    SingleTimeTiffReader,
    TiffMultiFileHyperStackReader,
    objects_for,
    planes_for,
)
from boss_ingest.plugins.tiff_multipage_params import (
    PATH,
    TILE,
    HyperStackPathParams,
    HyperStackTileParams,
    SingleTimePathParams,
    SingleTimeTileParams,
    SliceFiles,
    hyperstack_file,
)
from boss_ingest.plugins.tiff_planes import Plane, Planes
from boss_ingest.plugins.tile import TileProcessor
from boss_ingest.plugins.tile_grid import TileGrid

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ALL = range(1 << 31)


class SingleTimeTiffPathProcessor(PathProcessor):
    """Names a slice's file: see SingleTimePathParams."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        self._names = SliceFiles(parameters, TileGrid(parameters["ingest_job"]))

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The file. Raises IndexError outside of the job, SourceError outside of root_dir."""
        path = self._names.path(x_index, y_index, z_index, t_index)
        if self._names.folder is not None:
            self._names.folder.check(path)
        return path


class SingleTimeTiffTileProcessor(TileProcessor):
    """Cuts the tile out of the page that has the number of the time sample, counted from 0."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        self._datatype = SingleTimeTileParams.read(parameters, section=TILE).datatype
        self._grid = TileGrid(parameters["ingest_job"])
        self._planes = planes_for(self._grid)
        weakref.finalize(self, self._planes.close_now)

    def process(
        self, file_path: str, x_index: int, y_index: int, z_index: int, t_index: int | None = 0
    ) -> IO[bytes]:
        """A TIFF of `datatype`, at the edge of the page as small as what is left. Raises SourceError."""
        plane = Plane(file_path, t_index or 0, alone=True)
        return _image(
            self._planes.window_now(plane, *self._grid.pixels(x_index, y_index)), self._datatype, plane
        )


class TiffMultiFileHyperStackPathProcessor(PathProcessor):
    """Names the file that has a time sample: see HyperStackPathParams."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        self._given = HyperStackPathParams.read(parameters, section=PATH)

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The file. The tile processor sees to it that it lies inside root_dir: it may be an S3 object."""
        return hyperstack_file(self._given, x_index, y_index, t_index or 0)


class TiffMultiFileHyperStackTileProcessor(TileProcessor):
    """Cuts the tile out of its page; mostly that is all of it."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        self._given = HyperStackTileParams.read(parameters, section=TILE)
        self._objects = objects_for(self._given, None)
        self._grid = TileGrid(parameters["ingest_job"])
        self._planes = planes_for(self._grid)
        weakref.finalize(self, self._planes.close_now)

    def process(
        self, file_path: str, x_index: int, y_index: int, z_index: int, t_index: int | None = 0
    ) -> IO[bytes]:
        """A 16-bit TIFF. Raises SourceError."""
        path = str(self._objects.local_path_now(file_path))
        plane = Plane(
            path, self._given.page(z_index, t_index or 0), alone=True, name=self._objects.where(file_path)
        )
        return _image(self._planes.window_now(plane, *self._grid.pixels(x_index, y_index)), "uint16", plane)


def load_tiff_multipage(tiff_filename: str, dtype: str = "uint16") -> NDArray[Any]:
    """All pages of a file (page, y, x), as `dtype`. Raises OSError, SourceError when a value does not fit."""
    import numpy as np

    if not Path(tiff_filename).is_file():
        raise FileNotFoundError(2, "there is no such file", tiff_filename)
    files = TiffFiles()
    planes = Planes(files, most_block_bytes=1 << 31)
    try:
        with files.use(tiff_filename) as file:
            pages = [Plane(tiff_filename, number, alone=True) for number in range(file.images)]
        stack = np.stack([planes.window_now(page, _ALL, _ALL) for page in pages])
    finally:
        files.close()
    return _as(stack, dtype, tiff_filename)


def _image(pixels: NDArray[Any], dtype: str, plane: Plane) -> IO[bytes]:
    from PIL import Image

    into = io.BytesIO()
    Image.fromarray(_as(pixels, dtype, f"{plane.name or plane.path} page {plane.page}")).save(into, "TIFF")
    into.seek(0)
    return into


def _as(pixels: NDArray[Any], dtype: str, name: str) -> NDArray[Any]:
    """The same values as `dtype`. Raises SourceError when one would change."""
    converted = pixels.astype(dtype)
    if pixels.dtype.kind not in "bui" or (converted != pixels).any():
        raise SourceError(
            f"{name} holds {pixels.dtype.name} values that do not fit into {dtype}",
            hint="correct datatype, or convert the source",
        )
    return converted


LAYOUTS = (
    Layout(
        name="multipage_tiff.SingleTimeTiffTileProcessor",
        reads="one TIFF a slice, in it one page a time sample; a tile is cut out of its page",
        processor=SingleTimeTiffTileProcessor,
        params=SingleTimeTileParams,
        path=SingleTimeTiffPathProcessor,
        path_params=SingleTimePathParams,
        reader=SingleTimeTiffReader,
        extra="tiff",
        example="multipage-tiff.json",
    ),
    Layout(
        name="multipage_tiff.TiffMultiFileHyperStackTileProcessor",
        reads="TIFF hyperstacks (time samples, slices, channels), one file after the other; local or S3",
        processor=TiffMultiFileHyperStackTileProcessor,
        params=HyperStackTileParams,
        path=TiffMultiFileHyperStackPathProcessor,
        path_params=HyperStackPathParams,
        reader=TiffMultiFileHyperStackReader,
        extra="tiff",
        example="tiff-hyperstack.json",
    ),
)
