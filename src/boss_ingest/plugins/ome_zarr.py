"""OME-Zarr: which array of a multiscale group is which level, and what its axes are called.

Versions 0.1 to 0.4 keep it in `.zattrs`, 0.5 in `zarr.json` under `ome`. Where the metadata gives units,
voxel sizes are in nanometres.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boss_ingest.errors import SourceError

_NM = {
    "angstrom": 0.1,
    "nanometer": 1.0,
    "micrometer": 1e3,
    "millimeter": 1e6,
    "centimeter": 1e7,
    "meter": 1e9,
}


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a multiscale volume: where it is below the volume, and how large its voxels are."""

    path: str
    voxel_xyz: tuple[float, float, float] | None  # in nm; None when nothing tells


@dataclass(frozen=True, slots=True)
class Multiscale:
    """All levels, the finest first, and the names of the axes they share."""

    axes: tuple[str, ...]
    levels: tuple[Level, ...]


def multiscale(attributes: Mapping[str, Any]) -> Multiscale | None:
    """What the attributes of a Zarr group tell; None when it is no OME-Zarr. Raises SourceError."""
    holder = attributes.get("ome", attributes)
    found = holder.get("multiscales") if isinstance(holder, Mapping) else None
    if not found:
        return None
    try:
        first = found[0]
        axes = first.get("axes") or list("tczyx")  # versions 0.1 and 0.2 knew no others
        names = tuple(axis if isinstance(axis, str) else str(axis["name"]) for axis in axes)
        units = [1.0 if isinstance(axis, str) else _NM.get(axis.get("unit", ""), 1.0) for axis in axes]
        common = _scale(first.get("coordinateTransformations"), len(names)) or [1.0] * len(names)
        levels = []
        for dataset in first["datasets"]:
            scale = _scale(dataset.get("coordinateTransformations"), len(names))
            sizes = scale and [a * b * c for a, b, c in zip(scale, common, units, strict=True)]
            levels.append(Level(str(dataset["path"]), _xyz(names, sizes)))
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise SourceError(f"its OME-Zarr metadata is damaged ({type(error).__name__}: {error})") from error
    return Multiscale(names, tuple(levels))


def choose(levels: Sequence[Level], wanted: int | str | list[float]) -> int:
    """The level of that number or path, or the nearest to a voxel size x, y, z in nm. Raises ValueError."""
    there = ", ".join(f"{at} ({level.path})" for at, level in enumerate(levels))
    if isinstance(wanted, int):
        if 0 <= wanted < len(levels):
            return wanted
        raise ValueError(f"has no level {wanted}: there are {there}")
    if isinstance(wanted, str):
        for at, level in enumerate(levels):
            if level.path == wanted:
                return at
        raise ValueError(f'has no level "{wanted}": there are {there}')
    sized = [(at, level.voxel_xyz) for at, level in enumerate(levels) if level.voxel_xyz]
    if not sized or min(wanted) <= 0:
        raise ValueError(f"does not tell its voxel sizes: name a level by its number, of {there}")

    def distance(voxel_xyz: tuple[float, float, float]) -> float:
        return sum(math.log(have / want) ** 2 for have, want in zip(voxel_xyz, wanted, strict=True))

    return min(sized, key=lambda each: distance(each[1]))[0]


def _scale(transformations: Any, rank: int) -> list[float] | None:
    for each in transformations or ():
        if each.get("type") == "scale" and "scale" in each:
            scale = [float(size) for size in each["scale"]]
            if len(scale) != rank or min(scale) <= 0:
                raise ValueError(f"a scale of {each['scale']} for {rank} axes")
            return scale
    return None


def _xyz(names: Sequence[str], sizes: list[float] | None) -> tuple[float, float, float] | None:
    by_name = dict(zip(names, sizes or (), strict=False))
    if not {"x", "y"} <= by_name.keys():
        return None
    return by_name["x"], by_name["y"], by_name.get("z", 1.0)
