"""Collections, coordinate frames, experiments and channels: docs/protocol.md, "Resources".

Each is what the Boss tells of it, and knows the path it is found at and the body that creates it. Fields
that have a default need not be given to create one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from boss_ingest.config.extent import Span
from boss_ingest.errors import ConfigError

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}")


class Resource:
    """What the four kinds have in common: they are read from JSON, and created from it."""

    __slots__ = ()
    answered_only: frozenset[str] = frozenset({"creator"})

    @classmethod
    def read(cls, data: Mapping[str, Any], **known: str) -> Self:
        """From the Boss's JSON, and what only the request told. Raises ValueError naming the fields."""
        try:
            told = {key: value for key, value in data.items() if value is not None}
            return TypeAdapter(cls).validate_python({**told, **known})
        except ValidationError as error:
            names = {".".join(map(str, found["loc"])) for found in error.errors(include_input=False)}
            raise ValueError(f"wrong or missing: {', '.join(sorted(names))}") from None

    @property
    def body(self) -> dict[str, Any]:
        """The JSON that creates it."""
        return {
            field.name: list(value) if isinstance(value, tuple) else value
            for field in fields(self)  # type: ignore[arg-type]  # every subclass is a dataclass
            if field.name not in self.answered_only and (value := getattr(self, field.name)) is not None
        }


@dataclass(frozen=True, slots=True)
class Collection(Resource):
    """The outermost name."""

    name: str
    description: str = ""
    creator: str = ""

    @staticmethod
    def path_of(collection: str) -> str:
        """Where it is found, below the version."""
        return f"collection/{checked_name(collection)}"


@dataclass(frozen=True, slots=True)
class CoordinateFrame(Resource):
    """The box of voxels that an experiment may fill, absolute and half open, and the size of a voxel."""

    name: str
    x_start: int
    x_stop: int
    y_start: int
    y_stop: int
    z_start: int
    z_stop: int
    x_voxel_size: float = 1.0
    y_voxel_size: float = 1.0
    z_voxel_size: float = 1.0
    voxel_unit: str = "nanometers"
    description: str = ""

    @staticmethod
    def path_of(frame: str) -> str:
        """Where it is found, below the version."""
        return f"coord/{checked_name(frame)}"

    def span(self, axis: str) -> Span:
        """The voxels on axis `x`, `y` or `z`, at the finest resolution."""
        return Span(getattr(self, f"{axis}_start"), getattr(self, f"{axis}_stop"))


@dataclass(frozen=True, slots=True)
class Experiment(Resource):
    """Channels in one coordinate frame, with the same number of time samples."""

    collection: str
    name: str
    coord_frame: str
    description: str = ""
    num_hierarchy_levels: int = 1
    hierarchy_method: str = "anisotropic"
    num_time_samples: int = 1
    time_step: float | None = 0.0
    time_step_unit: str | None = "seconds"
    creator: str = ""

    @staticmethod
    def path_of(collection: str, experiment: str) -> str:
        """Where it is found, below the version."""
        return f"{Collection.path_of(collection)}/experiment/{checked_name(experiment)}"


@dataclass(frozen=True, slots=True)
class Channel(Resource):
    """One volume: a datatype, and where its voxels are kept."""

    answered_only = frozenset({"creator", "collection", "experiment", "downsample_status", "storage_type"})

    collection: str
    experiment: str
    name: str
    type: str
    datatype: str
    base_resolution: int = 0
    default_time_sample: int = 0
    description: str = ""
    sources: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    storage_type: str = "spdb"
    downsample_status: str = "NOT_DOWNSAMPLED"
    creator: str = ""

    @staticmethod
    def path_of(collection: str, experiment: str, channel: str) -> str:
        """Where it is found, below the version."""
        return f"{Experiment.path_of(collection, experiment)}/channel/{checked_name(channel)}"


def checked_name(name: str) -> str:
    """The name, which is also safe in a URL. Raises ConfigError when no Boss could have it."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name in a Boss", hint="names are 1 to 255 letters, digits, '_' and '-'"
        )
    return name
