"""Which fields a new resource must and may have, and their defaults (docs/protocol.md, "Resources")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from boss_ingest.local.rest_errors import BossError, invalid_post

if TYPE_CHECKING:
    from boss_ingest.local.resource_store import Kind

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,255}$")
_BOUNDS = ("x_start", "x_stop", "y_start", "y_stop", "z_start", "z_stop")
_VOXEL_SIZES = ("x_voxel_size", "y_voxel_size", "z_voxel_size")
_CHOICES: dict[str, tuple[object, ...]] = {
    "voxel_unit": ("nanometers", "micrometers", "millimeters", "centimeters"),
    "hierarchy_method": ("anisotropic", "isotropic"),
    "time_step_unit": ("nanoseconds", "microseconds", "milliseconds", "seconds", None),
    "type": ("image", "annotation"),
    "datatype": ("uint8", "uint16", "uint32", "uint64"),
    "storage_type": ("spdb", "cloudvol"),
}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "collection": {"description": ""},
    "coord": {"description": ""},
    "experiment": {
        "description": "",
        "num_hierarchy_levels": 1,
        "hierarchy_method": "anisotropic",
        "num_time_samples": 1,
        "time_step": None,
        "time_step_unit": None,
    },
    "channel": {
        "description": "",
        "base_resolution": 0,
        "default_time_sample": 0,
        "sources": [],
        "related": [],
        "storage_type": "spdb",
        "bucket": None,
        "cv_path": None,
        "downsample_status": "NOT_DOWNSAMPLED",
    },
}
_REQUIRED: dict[str, tuple[str, ...]] = {
    "collection": (),
    "coord": (*_BOUNDS, *_VOXEL_SIZES, "voxel_unit"),
    "experiment": ("coord_frame",),
    "channel": ("type", "datatype"),
}


def complete_fields(kind: Kind, name: str, body: object, *, admin: bool) -> dict[str, Any]:
    """The fields of a new resource, checked and completed. Raises BossError 400/1003 or 403/3001."""
    if not _NAME.match(name):
        raise invalid_post(_errors("name", "Enter a valid name: letters, digits, hyphens and underscores."))
    if not isinstance(body, dict):
        raise invalid_post(_errors("non_field_errors", "Invalid data. Expected a dictionary."))
    known = (*_REQUIRED[kind], *_DEFAULTS[kind])
    fields = {**_DEFAULTS[kind], **{field: value for field, value in body.items() if field in known}}
    for field in _REQUIRED[kind]:
        if fields.get(field) is None:
            raise invalid_post(_errors(field, "This field is required."))
    for field, choices in _CHOICES.items():
        if field in fields and fields[field] not in choices:
            raise invalid_post(_errors(field, f'"{fields[field]}" is not a valid choice.'))
    _check_numbers(fields)
    if kind == "channel" and not admin and (fields["bucket"] or fields["cv_path"]):
        raise BossError(403, 3001, "Only admins can set bucket and cv_path")
    return fields


def shown(kind: Kind, name: str, fields: dict[str, Any], **around: Any) -> dict[str, Any]:
    """A resource as the Boss answers it; a coordinate frame has no creator and is nobody's."""
    if kind == "coord":
        return {"name": name, **fields}
    return {"name": name, "public": False, **fields, **around}


def _check_numbers(fields: dict[str, Any]) -> None:
    whole = (*_BOUNDS, "num_hierarchy_levels", "num_time_samples", "base_resolution", "default_time_sample")
    for field in (*whole, *_VOXEL_SIZES):
        value = fields.get(field, 0)
        accepted = (int,) if field in whole else (int, float)
        if not isinstance(value, accepted) or isinstance(value, bool):
            raise invalid_post(_errors(field, "A valid number is required."))


def _errors(field: str, message: str) -> str:
    return str({field: [message]})
