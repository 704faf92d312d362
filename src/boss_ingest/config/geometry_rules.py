"""The rules about extents, tile sizes and chunk sizes: docs/protocol.md, "Job file"."""

from __future__ import annotations

import math
from collections.abc import Iterator

from boss_ingest.config.extent import CUBOID_ZYX, Span
from boss_ingest.config.geometry import Geometry
from boss_ingest.errors import Problem

MAX_COORDINATE = 2**31 - 1
MAX_CUBOIDS_PER_CHUNK = 2800
MAX_TILE_BYTES = 80_000_000
LARGE_INGEST_VOXELS = 33_554_432_000_000

_CUBOID = dict(zip("xyz", reversed(CUBOID_ZYX), strict=True))


def problems(geometry: Geometry) -> Iterator[Problem]:
    """What forbids a job of this geometry."""
    yield from _of_resolution(geometry)
    yield from _of_extent(geometry)
    yield from _of_chunks(geometry) if geometry.ingest_type == "volumetric" else _of_tiles(geometry)


def warnings(geometry: Geometry) -> Iterator[str]:
    """What may be meant. The geometry has no problems."""
    yield from _of_edges(geometry)
    yield from _of_amounts(geometry)


def _of_resolution(geometry: Geometry) -> Iterator[Problem]:
    if geometry.resolution is not None and geometry.resolution < 0:
        rule, fix = "the channel's base_resolution, 0 or more", "write 0, unless the channel says otherwise"
        yield Problem("ingest_job.resolution", str(geometry.resolution), rule, fix)


def _of_extent(geometry: Geometry) -> Iterator[Problem]:
    for axis, span in geometry.spans.items():
        path, value = f"ingest_job.extent.{axis}", _pair(span)
        if span.start < 0 or span.stop > MAX_COORDINATE:
            yield Problem(path, value, f"coordinates are 0 to {MAX_COORDINATE}", "correct start and stop")
        if span.start == span.stop:
            fix = f"to take {span.start} alone, write [{span.start}, {span.start + 1}]"
            yield Problem(path, value, "stop is exclusive, so this is empty", fix)
        elif span.start > span.stop:
            yield Problem(path, value, "start comes before stop", f"write [{span.stop}, {span.start}]")


def _of_tiles(geometry: Geometry) -> Iterator[Problem]:
    sizes = geometry.tile_size
    for axis in ("x", "y"):
        size, span = sizes.get(axis), geometry.spans.get(axis)
        if size is None:
            continue
        alone = span is not None and span.start == 0 and span.stop <= size
        if size <= 0 or (size % _CUBOID[axis] and not alone):
            rule = "a positive multiple of 512, unless a single tile that starts at 0 spans the whole axis"
            yield Problem(f"ingest_job.tile_size.{axis}", str(size), rule, f"write {_up(size, 512)}")
        elif span is not None:
            yield from _aligned(axis, span, size, f"a multiple of tile_size.{axis}")
    for axis in ("z", "t"):
        if sizes.get(axis, 1) != 1:
            rule = "a tile is one slice of one time sample"
            yield Problem(f"ingest_job.tile_size.{axis}", str(sizes[axis]), rule, "write 1")
    if "z" in geometry.spans:
        yield from _aligned("z", geometry.spans["z"], 16, "a multiple of the 16 slices of a cuboid")


def _of_chunks(geometry: Geometry) -> Iterator[Problem]:
    sizes, spans = geometry.chunk_size, geometry.spans
    for axis, size in sizes.items():
        unit = _CUBOID[axis]
        if size <= 0 or size % unit:
            rule = f"a positive multiple of {unit}"
            yield Problem(f"ingest_job.chunk_size.{axis}", str(size), rule, f"write {_up(size, unit)}")
    count = math.prod(max(0, size) // _CUBOID[axis] for axis, size in sizes.items()) if len(sizes) == 3 else 0
    if count > MAX_CUBOIDS_PER_CHUNK:
        rule = f"at most {MAX_CUBOIDS_PER_CHUNK} cuboids, or the chunk's message would not fit the queue"
        yield Problem("ingest_job.chunk_size", f"{count} cuboids", rule, "say 1024 × 1024 × 64")
    for axis, unit in _CUBOID.items():
        if axis in spans:
            yield from _aligned(axis, spans[axis], unit, f"a multiple of the cuboid's {unit} voxels")
    if spans.get("t", Span(0, 1)) != Span(0, 1):
        rule, fix = "volumetric jobs hold time sample 0 alone", "write [0, 1]; other samples need a tile job"
        yield Problem("ingest_job.extent.t", _pair(spans["t"]), rule, fix)


def _aligned(axis: str, span: Span, unit: int, rule: str) -> Iterator[Problem]:
    if 0 <= span.start < span.stop and span.start % unit:
        down = span.start - span.start % unit
        fix = f"start at {down} or {down + unit}; from {span.start}, everything would be stored shifted"
        yield Problem(f"ingest_job.extent.{axis}", _pair(span), f"start is {rule}", fix)


def _of_edges(geometry: Geometry) -> Iterator[str]:
    """A cuboid is replaced whole: what the job's edge does not fill is zero afterwards."""
    kind, sizes = geometry.block
    zeroed = []
    for axis, unit in _CUBOID.items():
        span, size = geometry.spans[axis], sizes[axis]
        end = _up(span.stop, _up(size, unit) if kind == "tile_size" else unit)
        if span.stop < end:
            zeroed.append(f"{axis} = {span.stop} to {end}")
    if zeroed:
        yield (
            "the extent stops inside cuboids, which are replaced whole: what the channel may already hold "
            f"in {', '.join(zeroed)} becomes zero"
        )


def _of_amounts(geometry: Geometry) -> Iterator[str]:
    voxels = math.prod(span.size for span in geometry.spans.values())
    if voxels > LARGE_INGEST_VOXELS:
        yield (
            f"the extent holds {voxels:,} voxels: above {LARGE_INGEST_VOXELS:,} the Boss may want you to be "
            "in its group bossingest; ask its administrators first"
        )
    if geometry.ingest_type == "tile":
        pixels = geometry.tile_size["x"] * geometry.tile_size["y"]
        if pixels > MAX_TILE_BYTES:
            yield (
                f"ingest_job.tile_size is {pixels:,} pixels: with tiles of more than some {MAX_TILE_BYTES:,} "
                "bytes the Boss may run out of memory and never store them"
            )


def _pair(span: Span) -> str:
    return f"[{span.start}, {span.stop}]"


def _up(size: int, unit: int) -> int:
    """The next multiple of `unit`, at least one."""
    return max(1, -(-size // unit)) * unit
