"""What is at a location: a Zarr array, OME-Zarr, N5 or precomputed, told from its metadata.

At most five small files are asked for, all at once; the level of a multiscale volume is picked here.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from boss_ingest.errors import ConfigError, SourceError
from boss_ingest.plugins import ome_zarr
from boss_ingest.plugins.array_failures import FAILURES, unreadable
from boss_ingest.plugins.array_location import Location

Format = Literal["zarr", "ome-zarr", "n5", "precomputed"]

WantedLevel = int | str | list[float]

_FILES: dict[str | None, tuple[str, ...]] = {
    "zarr": ("zarr.json", ".zarray", ".zattrs"),
    "ome-zarr": ("zarr.json", ".zarray", ".zattrs"),
    "n5": ("attributes.json",),
    "precomputed": ("info",),
    None: ("zarr.json", ".zarray", ".zattrs", "attributes.json", "info"),
}
_METADATA = {
    "zarr": ".zarray",
    "zarr3": "zarr.json",
    "n5": "attributes.json",
    "neuroglancer_precomputed": "info",
}
_MOST_METADATA_BYTES = 16 << 20
_ARRAYS = {".zarray", "zarr.json", "attributes.json", "info"}


@dataclass(frozen=True, slots=True)
class Found:
    """An array that is there: tensorstore's driver for it, and the names of its axes where they are told."""

    driver: Literal["zarr", "zarr3", "n5", "neuroglancer_precomputed"]
    at: Location
    axes: tuple[str, ...] | None = None
    scale: int = 0  # of precomputed
    info: dict[str, Any] | None = None  # of precomputed

    @property
    def metadata(self) -> Path | None:
        """The file that describes it, on a local disk."""
        return self.at.folder / _METADATA[self.driver] if self.at.folder else None

    @property
    def where(self) -> str:
        """What a person calls it; for precomputed with its scale."""
        return (
            f"{self.at.shown.rstrip('/')}/{self.info['scales'][self.scale]['key']}"
            if self.info
            else self.at.shown
        )


async def detect(
    tensorstore: Any,
    context: Any,
    location: Location,
    *,
    wanted: Format | None,
    level: WantedLevel,
) -> Found:
    """What is there. Raises SourceError, also when it is not of the format; ConfigError for a wrong level."""
    there = _Metadata(tensorstore, context, location)
    await there.fetch(*_FILES[wanted])
    found = (
        (None if wanted in {"n5", "precomputed"} else await _zarr(there, level))
        or await _n5(there, level)
        or _precomputed(there, level)
    )
    if found is None:
        there.raise_first_problem()
        raise SourceError(
            f"there is no {_WORDS[wanted]} at {location.shown}",
            hint=await asyncio.to_thread(_beside, location),
        )
    if wanted == "ome-zarr" and there.multiscale is None:
        raise SourceError(
            f"{location.shown} has no OME-Zarr metadata",
            hint="leave format out, or name the multiscale group",
        )
    return found


_WORDS: dict[str | None, str] = {
    None: "Zarr, N5 or precomputed array",
    "zarr": "Zarr array",
    "ome-zarr": "OME-Zarr volume",
    "n5": "N5 array",
    "precomputed": "precomputed volume",
}


class _Metadata:
    """The JSON files of one location. One that cannot be read counts only when no other tells what it is."""

    def __init__(self, tensorstore: Any, context: Any, location: Location) -> None:
        self.location = location
        self.multiscale: ome_zarr.Multiscale | None = None
        self._tensorstore = tensorstore
        self._context = context
        self._found: dict[str, dict[str, Any]] = {}
        self._problems: list[SourceError] = []

    def below(self, path: str) -> _Metadata:
        """Those of an array below this one."""
        return _Metadata(self._tensorstore, self._context, self.location.child(path))

    async def fetch(self, *names: str) -> None:
        """Ask for files of these names, all at once. Raises SourceError when the store cannot be opened."""
        try:
            store = await self._tensorstore.KvStore.open(dict(self.location.store), context=self._context)
        except FAILURES as error:
            raise unreadable(self.location.shown, error) from error
        for name, answer in zip(
            names, await asyncio.gather(*(self._read(store, name) for name in names)), strict=True
        ):
            if isinstance(answer, SourceError):
                self._problems.append(answer)
            elif answer is not None:
                self._found[name] = answer

    def get(self, name: str) -> dict[str, Any] | None:
        """The contents of a file that was found."""
        return self._found.get(name)

    def raise_first_problem(self) -> None:
        """Of the files that could not be read, if there were any."""
        if self._problems:
            raise self._problems[0]

    async def _read(self, store: Any, name: str) -> dict[str, Any] | SourceError | None:
        shown = f"{self.location.shown.rstrip('/')}/{name}"
        try:
            found = await store.read(name)
        except FAILURES as error:
            return unreadable(shown, error)
        if found.state == "missing":
            return None
        if len(found.value) > _MOST_METADATA_BYTES:
            return SourceError(f"{shown} has {len(found.value)} bytes, too many for metadata")
        try:
            content = json.loads(found.value)
        except ValueError as error:
            return SourceError(f"{shown} cannot be read: it is not JSON ({error})")
        return (
            content
            if isinstance(content, dict)
            else SourceError(f"{shown} cannot be read: it is no JSON object")
        )


async def _zarr(there: _Metadata, level: WantedLevel) -> Found | None:
    array = await _zarr_array(there)
    if array is not None:
        return array
    group = (there.get("zarr.json") or {}).get("attributes") or there.get(".zattrs") or {}
    try:
        there.multiscale = ome_zarr.multiscale(group)
    except SourceError as error:
        raise SourceError(f"{there.location.shown} cannot be read: {error.what}") from error
    if there.multiscale is None:
        if there.get("zarr.json"):
            raise SourceError(
                f"{there.location.shown} cannot be read: it is a Zarr group, not an array",
                hint=await asyncio.to_thread(_inside, there.location),
            )
        return None
    chosen = there.multiscale.levels[_chosen(there, there.multiscale.levels, level)]
    below = there.below(_inner(chosen.path, there.location))
    await below.fetch(*_FILES["zarr"])
    array = await _zarr_array(below)
    if array is None:
        below.raise_first_problem()
        raise SourceError(
            f"{below.location.shown} is not there, but the metadata of the volume names it as a level"
        )
    return Found(array.driver, array.at, there.multiscale.axes)


async def _zarr_array(there: _Metadata) -> Found | None:
    third = there.get("zarr.json")
    if third is not None and third.get("node_type") == "array":
        names = third.get("dimension_names")
        return Found("zarr3", there.location, tuple(names) if names and all(names) else None)
    if there.get(".zarray") is not None:
        names = (there.get(".zattrs") or {}).get("_ARRAY_DIMENSIONS")
        return Found("zarr", there.location, tuple(map(str, names)) if names else None)
    return None


async def _n5(there: _Metadata, level: WantedLevel) -> Found | None:
    attributes = there.get("attributes.json")
    if attributes is None:
        return None
    if "dimensions" in attributes:
        axes = attributes.get("axes")
        return Found("n5", there.location, tuple(map(str, axes)) if axes else None)
    if isinstance(level, list):
        raise ConfigError(
            f"{there.location.shown} does not tell its voxel sizes", hint='set "level" to a number or a path'
        )
    below = there.below(_inner(f"s{level}" if isinstance(level, int) else level, there.location))
    await below.fetch("attributes.json")
    if "dimensions" in (below.get("attributes.json") or {}):
        return await _n5(below, 0)
    raise SourceError(
        f"{there.location.shown} cannot be read: it is an N5 group, not an array",
        hint=await asyncio.to_thread(_inside, there.location),
    )


def _precomputed(there: _Metadata, level: WantedLevel) -> Found | None:
    info = there.get("info")
    if info is None:
        return None
    levels = []
    try:
        for scale in info["scales"]:
            x, y, z = map(float, scale["resolution"])
            levels.append(ome_zarr.Level(str(scale["key"]), (x, y, z)))
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(
            f"{there.location.shown}/info does not describe precomputed images: "
            f"{type(error).__name__} {error}"
        ) from error
    return Found("neuroglancer_precomputed", there.location, None, _chosen(there, levels, level), info)


def _chosen(there: _Metadata, levels: Any, level: WantedLevel) -> int:
    try:
        return ome_zarr.choose(levels, level)
    except ValueError as error:
        raise ConfigError(f"{there.location.shown} {error}", hint='correct "level"') from error


def _inner(path: str, location: Location) -> str:
    """The path when it stays below the volume, as it comes from metadata that anybody may have written."""
    if path.startswith("/") or ".." in PurePosixPath(path).parts or "://" in path:
        raise SourceError(f"{location.shown} names {path!r} as a level, which lies outside of it")
    return path.strip("/")


def _beside(location: Location) -> str:
    """A hint when there is nothing: the arrays in the folder, or beside it."""
    try:
        inside, beside = (
            _arrays(location.folder),
            _arrays(location.folder.parent if location.folder else None),
        )
    except OSError:
        return "correct the path"
    if inside:
        return f"it is a folder with the arrays {inside}: name one"
    if beside:
        return f"{location.folder.parent if location.folder else ''} has {beside}: correct the name"
    return "correct the path"


def _inside(location: Location) -> str:
    try:
        inside = _arrays(location.folder)
    except OSError:
        inside = ""
    return f"it has the arrays {inside}: name one" if inside else "name an array in it"


def _arrays(folder: Path | None) -> str:
    if folder is None:
        return ""
    names = sorted({found.parent.name for name in _ARRAYS for found in folder.glob(f"*/{name}")})
    return ", ".join(names[:8])
