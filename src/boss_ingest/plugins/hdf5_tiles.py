"""Which voxels of an HDF5 dataset are a tile: one class for each way the original client knew.

Pure: nothing here reads. Both faces of the layout, classic and async, ask here and read for themselves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from boss_ingest.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from boss_ingest.plugins.hdf5_files import Stored
    from boss_ingest.plugins.hdf5_params import (
        Hdf5ChunkTileParams,
        Hdf5DatatypeParams,
        Hdf5SingleFileTileParams,
        Hdf5SliceTileParams,
        Hdf5TileParams,
        Hdf5TimeSeriesLabelTileParams,
        Hdf5TimeSeriesTileParams,
    )
    from boss_ingest.plugins.reader import TileIndex


@dataclass(frozen=True, slots=True)
class Part:
    """The voxels of a dataset that belong to a tile.

    `selection` is a box in the axes of the dataset; None when there are none. `place_yx` is where they go
    in a tile of zeros; None when they are the tile.
    """

    selection: tuple[slice, ...] | None
    place_yx: tuple[slice, slice] | None = None


class Cut(ABC):
    """Tiles out of datasets with certain axes. A job stays at one index of the `fixed` axes."""

    axes: ClassVar[str]
    fixed: ClassVar[str] = ""
    whole: ClassVar[bool] = False  # whether the dataset is all there is
    dataset: str
    beside: tuple[str, ...] = ()  # small datasets whose numbers are needed

    def __init__(self, given: Hdf5TileParams, ingest_job: Mapping[str, Any]) -> None:
        size = ingest_job["tile_size"]
        self.given = given
        self.tile_yx: tuple[int, int] = (size["y"], size["x"])

    @abstractmethod
    def part(self, index: TileIndex, stored: Stored) -> Part:
        """Raises IndexError for an index that the dataset does not have, SourceError for a wrong shape."""

    def finish(self, values_yx: NDArray[Any], name: str) -> NDArray[Any]:
        """The values to hand out. Raises SourceError."""
        return values_yx

    def tile(self, part: Part, values: NDArray[Any] | None, stored: Stored) -> NDArray[Any]:
        """The tile (yx): what was read, in its place. Raises SourceError. CPU-bound."""
        import numpy as np

        yx = None if values is None else in_order(values, self.axes, "yx")
        if part.place_yx is not None:
            whole = np.zeros(self.tile_yx, stored.dtype)
            if yx is not None:
                whole[part.place_yx] = yx
            yx = whole
        assert yx is not None
        return self.finish(yx, str(stored.place))

    def made_up(self, index: TileIndex, stored: Stored) -> str:
        """Why voxels of the tile that the job asks for are zeros; "" when the dataset has them all."""
        return ""

    def dtype(self, stored: Stored) -> str:
        """Numpy's name of the type of the tiles, as far as it can be told before they are read."""
        return stored.dtype.name

    def box(self, index: TileIndex) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where the tile is: first y, x; and one past the last."""
        rows, columns = self.tile_yx
        first = index.y * rows, index.x * columns
        return first, (first[0] + rows, first[1] + columns)

    def check_axes(self, stored: Stored) -> None:
        """Raises SourceError when the dataset has other axes."""
        if len(stored.shape) != len(self.axes):
            raise SourceError(
                f"{stored.place} has {len(stored.shape)} axes {stored.shape}, this layout "
                f"has {', '.join(self.axes)}",
                hint="name another dataset, or another tile processor",
            )


class TimeSeries(Cut):
    """`dataset[t, x, y, channel]`, times a factor."""

    axes = "txyc"
    fixed = "c"
    given: Hdf5TimeSeriesTileParams

    def __init__(self, given: Hdf5TimeSeriesTileParams, ingest_job: Mapping[str, Any]) -> None:
        super().__init__(given, ingest_job)
        self.dataset = given.dataset

    def part(self, index: TileIndex, stored: Stored) -> Part:
        """That sample, channel and box, as far as the dataset goes. Raises IndexError beyond it."""
        self.check_axes(stored)
        samples, columns, rows, channels = stored.shape
        _within(index.t, samples, "t", stored)
        _within(self.given.channel_index, channels, "channel_index", stored)
        y, x = _clipped(self.box(index), (rows, columns), stored)
        return Part((_one(index.t), x, y, _one(self.given.channel_index)))

    def dtype(self, stored: Stored) -> str:
        """Scaled values are of 16 bits, as far as they fit."""
        as_they_are = self.given.scale_factor == 1.0 and stored.dtype.kind != "f"
        return stored.dtype.name if as_they_are else "uint16"

    def finish(self, values_yx: NDArray[Any], name: str) -> NDArray[Any]:
        """Scaled, then cut to whole numbers; left as they are where the job scales them further."""
        import numpy as np

        if self.given.scale_factor == 1.0 and values_yx.dtype.kind != "f":
            return values_yx
        scaled: NDArray[Any] = np.multiply(values_yx, self.given.scale_factor)
        if isinstance(self.given.convert, dict):
            return scaled
        low, high = scaled.min(), scaled.max()
        if not (low > -(2**63) and high < 2**63):  # NaN is neither
            raise SourceError(
                f"{name} times {self.given.scale_factor:g} has values that are no numbers, or too large ones",
                hint="correct client.tile_processor.params.scale_factor, or the data",
            )
        cut: NDArray[Any] = scaled.astype(np.uint16 if low > -1 and high < 1 << 16 else np.int64)
        return cut


class TimeSeriesLabel(Cut):
    """`dataset[x, y]`, the same for every t and z."""

    axes = "xy"

    def __init__(self, given: Hdf5TimeSeriesLabelTileParams, ingest_job: Mapping[str, Any]) -> None:
        super().__init__(given, ingest_job)
        self.dataset = given.dataset

    def part(self, index: TileIndex, stored: Stored) -> Part:
        """That box, as far as the dataset goes. Raises IndexError beyond it."""
        self.check_axes(stored)
        y, x = _clipped(self.box(index), stored.shape[::-1], stored)
        return Part((x, y))

    def finish(self, values_yx: NDArray[Any], name: str) -> NDArray[Any]:
        """Floats that are whole numbers become such, as MATLAB stores all numbers as floats."""
        return _whole(values_yx, "uint32")


class _WithDatatype(Cut):
    given: Hdf5DatatypeParams

    def __init__(self, given: Hdf5DatatypeParams, ingest_job: Mapping[str, Any]) -> None:
        super().__init__(given, ingest_job)
        self.dataset = given.data_name

    def finish(self, values_yx: NDArray[Any], name: str) -> NDArray[Any]:
        """Floats that are whole numbers of the datatype become these."""
        return _whole(values_yx, self.given.datatype)


class Slice(_WithDatatype):
    """`data_name[y, x]`, a slice that lies somewhere in the frame; zeros around it."""

    axes = "yx"
    given: Hdf5SliceTileParams

    def __init__(self, given: Hdf5SliceTileParams, ingest_job: Mapping[str, Any]) -> None:
        super().__init__(given, ingest_job)
        self.beside = tuple(filter(None, (given.offset_name, given.extent_name)))

    def part(self, index: TileIndex, stored: Stored) -> Part:
        """What the slice has of that box. Raises SourceError."""
        self.check_axes(stored)
        given = self.given
        origin = stored.beside.get(given.offset_name, (0, 0))
        size = stored.beside.get(given.extent_name, stored.shape)
        if len(origin) != 2 or len(size) != 2 or any(a > b for a, b in zip(size, stored.shape, strict=True)):
            raise SourceError(
                f"{stored.place} has shape {stored.shape}, its offset is {origin}, its extent {size}",
                hint="both must be two numbers, y and x, and the extent no larger than the dataset",
            )
        shift_yx = -origin[0] - given.offset_origin_y, -origin[1] - given.offset_origin_x
        selection, place = _overlap(self.box(index), shift_yx, (size[0], size[1]))
        return Part(selection, place)


class Chunk(_WithDatatype):
    """`data_name[z mod z_chunk_size, :, :]`, the whole plane."""

    axes = "zyx"
    given: Hdf5ChunkTileParams

    def part(self, index: TileIndex, stored: Stored) -> Part:
        """The whole plane. Raises IndexError for one that is not there, SourceError for one too large."""
        self.check_axes(stored)
        z = index.z % self.given.z_chunk_size
        planes, rows, columns = stored.shape
        _within(z, planes, "z", stored)
        most_rows, most_columns = self.tile_yx
        if not self.given.crop and (rows > most_rows or columns > most_columns):
            raise SourceError(
                f"{stored.place} has slices of {rows} rows × {columns} columns, "
                f"the job file's tile_size says {most_rows} × {most_columns}",
                hint='correct ingest_job.tile_size, or set `"crop": true` under client.tile_processor.params '
                "to use the upper left part of each",
            )
        return Part((_one(z), slice(0, min(rows, most_rows)), slice(0, min(columns, most_columns))))


class SingleFile(_WithDatatype):
    """`data_name[z, y, x]`, shifted by the offsets; zeros left and right, above and below."""

    axes = "zyx"
    whole = True
    given: Hdf5SingleFileTileParams

    def __init__(self, given: Hdf5SingleFileTileParams, ingest_job: Mapping[str, Any]) -> None:
        super().__init__(given, ingest_job)
        self._extent_yx = tuple(ingest_job["extent"][axis] for axis in "yx")

    def made_up(self, index: TileIndex, stored: Stored) -> str:
        """Where the offsets, or the extent, lead out of the volume."""
        shift_yx = self.given.offset_y, self.given.offset_x
        wanted = [range(index.z + self.given.offset_z, index.z + self.given.offset_z + 1)]
        for start, stop, (first, last), shift in zip(
            *self.box(index), self._extent_yx, shift_yx, strict=True
        ):
            wanted.append(range(max(start, first) + shift, min(stop, last) + shift))
        if all(span.start >= 0 and span.stop <= n for span, n in zip(wanted, stored.shape, strict=True)):
            return ""
        z, y, x = (f"{span.start}:{span.stop}" for span in wanted)
        return (
            f"{stored.place} has shape {stored.shape}, the job asks with its offsets for z {z}, y {y}, x {x}"
        )

    def part(self, index: TileIndex, stored: Stored) -> Part:
        """What the volume has of that box. Raises IndexError for a plane after the last."""
        self.check_axes(stored)
        planes, rows, columns = stored.shape
        z = index.z + self.given.offset_z
        shift_yx = self.given.offset_y, self.given.offset_x
        selection, place = _overlap(self.box(index), shift_yx, (rows, columns))
        if z >= 0:
            _within(z, planes, "z", stored)
        if z < 0 or selection is None:
            return Part(None, place)
        return Part((_one(z), *selection), place)


def in_order(values: NDArray[Any], axes: str, wanted: str) -> NDArray[Any]:
    """A view with the wanted axes in that order; the others must be of length 1."""
    order = memory_order(axes, wanted)
    view: NDArray[Any] = values.transpose(order)[(0,) * (len(axes) - len(wanted))]
    return view


def memory_order(axes: str, wanted: str) -> tuple[int, ...]:
    """The axes that are not wanted, then those that are, as positions."""
    others = [at for at, axis in enumerate(axes) if axis not in wanted]
    return (*others, *(axes.index(axis) for axis in wanted))


def _whole(values: NDArray[Any], datatype: str | None) -> NDArray[Any]:
    """Floats as whole numbers of that datatype, if that changes no value; anything else as it is."""
    import numpy as np

    if values.dtype.kind != "f" or datatype is None:
        return values
    with np.errstate(invalid="ignore"):
        whole: NDArray[Any] = values.astype(datatype)
    return whole if (whole == values).all() else values


def _one(index: int) -> slice:
    return slice(index, index + 1)


def _within(index: int, size: int, axis: str, stored: Stored) -> None:
    if not 0 <= index < size:
        raise IndexError(f"{stored.place} has shape {stored.shape}: no {axis} {index}")


def _clipped(
    box_yx: tuple[tuple[int, int], tuple[int, int]], shape_yx: tuple[int, ...], stored: Stored
) -> tuple[slice, slice]:
    (y, x), (y_stop, x_stop) = box_yx
    if y >= shape_yx[0] or x >= shape_yx[1]:
        raise IndexError(f"{stored.place} has shape {stored.shape}: nothing at y {y}, x {x}")
    return slice(y, min(y_stop, shape_yx[0])), slice(x, min(x_stop, shape_yx[1]))


def _overlap(
    box_yx: tuple[tuple[int, int], tuple[int, int]], shift_yx: tuple[int, int], shape_yx: tuple[int, int]
) -> tuple[tuple[slice, slice] | None, tuple[slice, slice]]:
    """What of a box, shifted, is inside the shape; and where in the box that is."""
    inside: list[slice] = []
    place: list[slice] = []
    for start, stop, shift, size in zip(*box_yx, shift_yx, shape_yx, strict=True):
        low, high = max(start + shift, 0), min(stop + shift, size)
        if low >= high:
            return None, (slice(0), slice(0))
        inside.append(slice(low, high))
        place.append(slice(low - start - shift, high - start - shift))
    return (inside[0], inside[1]), (place[0], place[1])
