"""Extents: the box of voxels, and the run of time samples, that a job fills."""

from __future__ import annotations

from dataclasses import dataclass

CUBOID_ZYX = (16, 512, 512)
"""Shape in voxels of what the Boss stores: docs/protocol.md, "Keys"."""


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range `[start, stop)` of voxels or time samples on one axis."""

    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many voxels (or samples) the range holds."""
        return self.stop - self.start

    def blocks(self, size: int) -> int:
        """How many blocks of `size`, laid from zero, the range touches."""
        return -(-self.stop // size) - self.start // size

    def __str__(self) -> str:
        return f"[{self.start}, {self.stop})"


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a job's voxels lie: absolute and half open on each axis, t in time samples."""

    x: Span
    y: Span
    z: Span
    t: Span

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Size in voxels of one time sample."""
        return self.z.size, self.y.size, self.x.size

    @property
    def voxels(self) -> int:
        """How many voxels it holds over all time samples."""
        return self.x.size * self.y.size * self.z.size * self.t.size

    @property
    def cuboid_count(self) -> int:
        """How many cuboids of the Boss it touches over all time samples."""
        z, y, x = CUBOID_ZYX
        return self.x.blocks(x) * self.y.blocks(y) * self.z.blocks(z) * self.t.size
