"""A case of the differential test: one pair of plugins, its params, a job, and indices to ask for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Index = tuple[int, int, int, int]  # x, y, z, t


@dataclass(frozen=True)
class Case:
    """`processor` and `path` are named below `ingestclient.plugins`; `name` tells what is special here.

    `ours` are params that only our processor is given, where the original has none for the same thing.
    `compare` "form": the pixels are made up, only their shape and type count.
    """

    name: str
    processor: str
    path: str
    ingest_job: dict[str, Any]
    indices: list[Index]
    params: dict[str, Any] = field(default_factory=dict)
    path_params: dict[str, Any] = field(default_factory=dict)
    ours: dict[str, Any] = field(default_factory=dict)
    compare: Literal["pixels", "form"] = "pixels"

    @property
    def for_original(self) -> dict[str, Any]:
        """What the original's driver reads."""
        return asdict(self)

    def but(self, name: str, **changes: Any) -> Case:
        """The same with something else; dicts are merged."""
        merged = {
            key: getattr(self, key) | value if isinstance(value, dict) else value
            for key, value in changes.items()
        }
        return replace(self, name=name, **merged)


@dataclass(frozen=True)
class Outcome:
    """What came of one index: pixels (yx or zyx), or the type of an exception."""

    pixels: NDArray[Any] | None = None
    error: str = ""
    text: str = ""

    @property
    def form(self) -> str:
        """In a word: `uint8 20 × 30`, or `SourceError`."""
        if self.pixels is None:
            return self.error
        zeros = ", zeros" if self.pixels.size and not self.pixels.any() else ""
        return f"{self.pixels.dtype.name} {' × '.join(map(str, self.pixels.shape))}{zeros}"

    def same(self, other: Outcome, *, form_only: bool = False) -> bool:
        """Whether both have the same pixels, dtype and shape, or both refuse."""
        if self.pixels is None or other.pixels is None:
            return self.pixels is other.pixels
        if form_only:
            return (self.pixels.dtype, self.pixels.shape) == (other.pixels.dtype, other.pixels.shape)
        return self.pixels.dtype == other.pixels.dtype and np.array_equal(self.pixels, other.pixels)


def tile_job(
    tile_xy: tuple[int, int],
    *,
    x: tuple[int, int],
    y: tuple[int, int],
    z: tuple[int, int],
    t: tuple[int, int] = (0, 1),
    resolution: int = 0,
) -> dict[str, Any]:
    """The `ingest_job` of a tile job."""
    return {
        "resolution": resolution,
        "extent": {"x": list(x), "y": list(y), "z": list(z), "t": list(t)},
        "tile_size": {"x": tile_xy[0], "y": tile_xy[1], "z": 1, "t": 1},
    }


def chunk_job(
    chunk_xyz: tuple[int, int, int], *, x: tuple[int, int], y: tuple[int, int], z: tuple[int, int]
) -> dict[str, Any]:
    """The `ingest_job` of a volumetric job."""
    return {
        "ingest_type": "volumetric",
        "resolution": 0,
        "extent": {"x": list(x), "y": list(y), "z": list(z), "t": [0, 1]},
        "chunk_size": dict(zip("xyz", chunk_xyz, strict=True)),
    }
