"""A volume in one HDF5 file: which axis of a dataset is which, and the boxes of voxels in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from boss_ingest.errors import ConfigError, Problem, SourceError
from boss_ingest.plugins.hdf5_params import Hdf5Where
from boss_ingest.plugins.params import ChunkParams

if TYPE_CHECKING:
    from boss_ingest.plugins.hdf5_files import Stored
    from boss_ingest.plugins.reader import Box


class Hdf5VolumeParams(Hdf5Where, ChunkParams):
    """Which dataset of which file, and how its axes lie."""

    filename: str = Field(description="the file; on S3 its key")
    dataset: str = Field(description="the path of the dataset in the file, such as volumes/raw")
    axes: str = Field("zyx", description="its axes in order: z, y, x, and t or c where it has them")
    t: int = Field(0, ge=0, description="which time sample, of a dataset with an axis t")
    c: int = Field(0, ge=0, description="which channel, of a dataset with an axis c")
    offset_x: int = Field(0, description="x in the dataset of the Boss's x 0")
    offset_y: int = Field(0, description="y in the dataset of the Boss's y 0")
    offset_z: int = Field(0, description="z in the dataset of the Boss's z 0")
    allow_outside_root: bool = Field(
        False, description="also read other files that this one leads to, outside of its folder"
    )

    @model_validator(mode="after")
    def _names_axes(self) -> Self:
        if not set("zyx") <= set(self.axes) <= set("zyxtc") or len(set(self.axes)) != len(self.axes):
            raise ValueError('axes must name z, y and x once each, and t and c at most once, such as "tczyx"')
        return self


class Volume:
    """Boxes of voxels as boxes of the dataset."""

    def __init__(self, given: Hdf5VolumeParams) -> None:
        self.axes = given.axes
        self.fixed = frozenset(at for at, axis in enumerate(given.axes) if axis in "tc")
        self._index = {"t": given.t, "c": given.c}
        self._offset = {"z": given.offset_z, "y": given.offset_y, "x": given.offset_x}

    def check(self, stored: Stored) -> None:
        """Raises ConfigError when the dataset has other axes than the job file says."""
        if len(stored.shape) != len(self.axes):
            rule = f"{stored.place} has {len(stored.shape)} axes: {_times(stored.shape)}"
            raise _wrong("axes", repr(self.axes), rule, 'name each in order, such as "tczyx"')
        for at in self.fixed:
            axis, size = self.axes[at], stored.shape[at]
            if self._index[axis] >= size:
                rule = f"{stored.place} has 0 to {size - 1} on axis {axis}"
                raise _wrong(axis, str(self._index[axis]), rule, "name one of these")

    def shape_zyx(self, stored: Stored) -> tuple[int, int, int]:
        """Of the whole volume."""
        z, y, x = (stored.shape[self.axes.index(axis)] for axis in "zyx")
        return z, y, x

    def selection(self, box: Box, stored: Stored) -> tuple[slice, ...]:
        """The box, in the axes of the dataset. Raises SourceError when it leaves the volume."""
        spans = dict(zip("zyx", zip(box.start_zyx, box.stop_zyx, strict=True), strict=True))
        selection = []
        for axis, size in zip(self.axes, stored.shape, strict=True):
            if axis in self._index:
                selection.append(slice(self._index[axis], self._index[axis] + 1))
                continue
            start, stop = (at + self._offset[axis] for at in spans[axis])
            if not 0 <= start < stop <= size:
                raise self._outside(spans, stored)
            selection.append(slice(start, stop))
        return tuple(selection)

    def _outside(self, spans: dict[str, tuple[int, int]], stored: Stored) -> SourceError:
        asked = ", ".join(f"{axis} {start}:{stop}" for axis, (start, stop) in spans.items())
        if any(self._offset.values()):
            asked += f" plus {', '.join(f'offset_{axis} {by}' for axis, by in self._offset.items())}"
        shape = _times(self.shape_zyx(stored))
        return SourceError(
            f"{stored.place} has {shape} voxels (z × y × x), the job asks for {asked}",
            hint="correct ingest_job.extent, or the offsets under client.chunk_processor.params",
        )


def _wrong(field: str, value: str, rule: str, fix: str) -> ConfigError:
    problem = Problem(f"client.chunk_processor.params.{field}", value, rule, fix)
    return ConfigError("the HDF5 volume is not as the job file describes it", problems=(problem,))


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
