"""What the server makes of a posted job configuration: checked as leniently as the Boss does it.

The Boss ignores what a careful reader would check: the resolution, the alignment and the sizes of extents
(docs/protocol.md, "Creating a job"). So does this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

SCHEMAS = {"boss-v0.1-schema": "BossValidatorV01", "boss-v0.2-schema": "BossValidatorV02"}
AXES = ("x", "y", "z", "t")
CUBOID = {"x": 512, "y": 512, "z": 16}


class InvalidConfig(Exception):  # noqa: N818 - says what is wrong with the config, not with the program
    """The posted configuration does not validate: 400, code 1004."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The part of a job configuration that decides which messages there are."""

    ingest_type: Literal["tile", "volumetric"]
    start: tuple[int, int, int, int]  # voxels, in the order x, y, z, t
    stop: tuple[int, int, int, int]
    size: tuple[int, int, int, int]  # of a tile or a chunk; a tile is one slice and one sample deep

    @property
    def task_count(self) -> int:
        """The `tile_count` of the API. Raises ZeroDivisionError where the server does."""
        count = 1
        for start, stop, size in zip(self.start, self.stop, self.size, strict=True):
            count *= -(-(stop - start) // size)
        return count

    @property
    def message_count(self) -> int:
        """How many messages the populate step expects: `task_count` with one sample a tile."""
        t_size = self.size[3]
        return (
            self.task_count
            if t_size == 1
            else Plan(self.ingest_type, self.start, self.stop, (*self.size[:3], 1)).task_count
        )


def read_plan(config: object) -> Plan:
    """Validate a posted configuration. Raises InvalidConfig."""
    root = _mapping(config, "the configuration")
    schema = _mapping(root.get("schema"), "schema")
    name = schema.get("name")
    if not isinstance(name, str) or SCHEMAS.get(name) is None:
        raise InvalidConfig(f"unknown schema {name!r}")
    if schema.get("validator") not in SCHEMAS.values():
        raise InvalidConfig(f"unknown validator {schema.get('validator')!r}")
    job = _mapping(root.get("ingest_job"), "ingest_job")
    versioned = name == "boss-v0.2-schema"
    ingest_type = _ingest_type(job, versioned=versioned)
    processor = "chunk_processor" if ingest_type == "volumetric" else "tile_processor"
    _check_client(_mapping(root.get("client"), "client"), processor)
    database = _mapping(root.get("database"), "database")
    for level in ("collection", "experiment", "channel"):
        _expect(isinstance(database.get(level), str), f"'{level}' is a required property of database")
    _expect(_is_int(job.get("resolution")), "'resolution' is a required property of ingest_job")
    return _plan(job, ingest_type)


def _plan(job: dict[str, Any], ingest_type: Literal["tile", "volumetric"]) -> Plan:
    extent = _mapping(job.get("extent"), "extent")
    ranges = []
    for axis in AXES:
        span = extent.get(axis)
        if not (isinstance(span, list) and len(span) >= 2 and all(_is_int(bound) for bound in span)):
            raise InvalidConfig(f"'{axis}' of extent is not an array of two integers")
        ranges.append(span)
    start, stop = ((r[0] for r in ranges), (r[1] for r in ranges))
    field = "chunk_size" if ingest_type == "volumetric" else "tile_size"
    if not isinstance(job.get(field), dict):
        raise InvalidConfig(f'"ingest_job": "{field}" required for {ingest_type} ingest jobs.')
    size = job[field]
    for axis in AXES if ingest_type == "tile" else AXES[:3]:
        _expect(_is_int(size.get(axis)), f"'{axis}' of {field} is not an integer")
    if ingest_type == "tile":
        shape = (size["x"], size["y"], 1, size["t"])
    else:
        for axis, unit in CUBOID.items():
            _expect(
                size[axis] % unit == 0, f'"ingest_job": "chunk_size": "{axis}" must be a multiple of {unit}.'
            )
        shape = (size["x"], size["y"], size["z"], 1)
    return Plan(ingest_type, _four(start), _four(stop), shape)


def _ingest_type(job: dict[str, Any], *, versioned: bool) -> Literal["tile", "volumetric"]:
    if not versioned and "ingest_type" not in job:
        return "tile"
    stated = str(job.get("ingest_type", "")).lower()
    if stated == "tile":
        return "tile"
    if stated == "volumetric":
        return "volumetric"
    raise InvalidConfig(f"{job.get('ingest_type')!r} is not one of ['tile', 'volumetric']")


def _check_client(client: dict[str, Any], processor: str) -> None:
    backend = _mapping(client.get("backend"), "backend")
    _expect(backend.get("class") == "BossBackend", "the class of backend must be BossBackend")
    for field in ("name", "host", "protocol"):
        _expect(isinstance(backend.get(field), str), f"'{field}' is a required property of backend")
    for plugin in ("path_processor", processor):
        settings = _mapping(client.get(plugin), plugin)
        _expect(isinstance(settings.get("class"), str), f"'class' is a required property of {plugin}")
        _expect(isinstance(settings.get("params"), dict), f"'params' is a required property of {plugin}")


def _mapping(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidConfig(f"{name!r} is a required property")
    return value


def _expect(condition: bool, message: str) -> None:
    if not condition:
        raise InvalidConfig(message)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _four(values: Any) -> tuple[int, int, int, int]:
    x, y, z, t = values
    return x, y, z, t
