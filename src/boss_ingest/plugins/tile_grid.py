"""Which tiles a job has: what the indices of a tile are held against, and where its pixels are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class TileGrid:
    """The tiles of an `ingest_job`; partial ones at the edges of its extent are among them."""

    def __init__(self, ingest_job: Mapping[str, Any]) -> None:
        extent, size = ingest_job["extent"], ingest_job["tile_size"]
        self.size_yx: tuple[int, int] = (size["y"], size["x"])
        self._extent = extent
        self._bounds = {
            axis: range(extent[axis][0] // size[axis], -(-extent[axis][1] // size[axis])) for axis in "xy"
        } | {axis: range(*extent[axis]) for axis in "zt"}

    def check(self, *, x: int, y: int, z: int, t: int | None) -> None:
        """Raises IndexError for a tile that the job does not have."""
        for axis, index in (("t", t), ("z", z), ("y", y), ("x", x)):
            within = self._bounds[axis]
            if index not in within:
                span = self._extent[axis]
                raise IndexError(
                    f"{axis} is {index}, with ingest_job.extent.{axis} {list(span)} "
                    f"it goes from {within.start} to {within.stop - 1}"
                )

    def first(self) -> tuple[int, int, int, int]:
        """The job's first tile: x, y, z, t."""
        x, y, z, t = (self._bounds[axis].start for axis in "xyzt")
        return x, y, z, t

    def pixels(self, x: int, y: int) -> tuple[range, range]:
        """Rows and columns of a whole tile in the slice, also where it leaves the extent."""
        rows, columns = self.size_yx
        return range(y * rows, (y + 1) * rows), range(x * columns, (x + 1) * columns)

    def inside(self, x: int, y: int) -> tuple[range, range]:
        """Rows and columns of the part of a tile inside the extent."""
        rows, columns = self.pixels(x, y)
        return _clipped(rows, self._extent["y"]), _clipped(columns, self._extent["x"])


def _clipped(span: range, extent: tuple[int, int] | list[int]) -> range:
    return range(max(span.start, extent[0]), min(span.stop, extent[1]))
