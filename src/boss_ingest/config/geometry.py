"""The numbers of `ingest_job` that the rules speak of, as far as they can be read.

The rules are run on this and not on the models, so that one field of the wrong type hides nothing that
is wrong with the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeGuard

from boss_ingest.config.extent import Span


@dataclass(frozen=True, slots=True)
class Geometry:
    """The readable part of one `ingest_job` object; an axis that cannot be read is not there."""

    ingest_type: Literal["tile", "volumetric"] | None
    spans: Mapping[str, Span]
    tile_size: Mapping[str, int]
    chunk_size: Mapping[str, int]
    resolution: int | None

    @classmethod
    def read(cls, ingest_job: object) -> Geometry:
        """From any JSON value; what is missing or of the wrong type is left out."""
        job = ingest_job if isinstance(ingest_job, Mapping) else {}
        kind = job.get("ingest_type", "tile")
        return cls(
            ingest_type=kind if kind in ("tile", "volumetric") else None,
            spans=_spans(job.get("extent")),
            tile_size=_integers(job.get("tile_size"), "xyzt"),
            chunk_size=_integers(job.get("chunk_size"), "xyz"),
            resolution=_integers(job, ("resolution",)).get("resolution"),
        )

    @property
    def block(self) -> tuple[str, Mapping[str, int]]:
        """Key and size of one task's block: the tile or the chunk."""
        if self.ingest_type == "volumetric":
            return "chunk_size", self.chunk_size
        return "tile_size", self.tile_size


def _integers(section: object, keys: Iterable[str]) -> dict[str, int]:
    found = ((key, section.get(key)) for key in keys) if isinstance(section, Mapping) else ()
    return {key: value for key, value in found if _is_integer(value)}


def _spans(extent: object) -> dict[str, Span]:
    found = ((axis, extent.get(axis)) for axis in "xyzt") if isinstance(extent, Mapping) else ()
    return {
        axis: Span(*pair)
        for axis, pair in found
        if isinstance(pair, list | tuple) and len(pair) == 2 and all(_is_integer(end) for end in pair)
    }


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
