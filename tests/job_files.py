"""Job files to start from in tests, and ways to change one field of them."""

from __future__ import annotations

import copy
from typing import Any


def tile_job() -> dict[str, Any]:
    """A valid v0.1 job of 2 × 2 tiles, 40 slices, 2 time samples."""
    plugin = "ingestclient.plugins.stack.ZindexStack"
    return {
        "schema": {"name": "boss-v0.1-schema", "validator": "BossValidatorV01"},
        "client": {
            "backend": {"name": "boss", "class": "BossBackend", "host": "api.bossdb.io", "protocol": "https"},
            "path_processor": {"class": f"{plugin}PathProcessor", "params": {"root_dir": "slices"}},
            "tile_processor": {"class": f"{plugin}TileProcessor", "params": {"extension": "png"}},
        },
        "database": {"collection": "col", "experiment": "exp", "channel": "ch"},
        "ingest_job": {
            "resolution": 0,
            "extent": {"x": [0, 2048], "y": [0, 2000], "z": [16, 56], "t": [0, 2]},
            "tile_size": {"x": 1024, "y": 1024, "z": 1, "t": 1},
        },
    }


def volumetric_job() -> dict[str, Any]:
    """A valid v0.2 job of 2 × 1 × 2 chunks in x, y, z."""
    job = tile_job()
    job["schema"] = {"name": "boss-v0.2-schema", "validator": "BossValidatorV02"}
    del job["client"]["tile_processor"]
    plugin = "ingestclient.plugins.zarr.ZarrChunkProcessor"
    job["client"]["chunk_processor"] = {"class": plugin, "params": {}}
    job["ingest_job"] = {
        "ingest_type": "volumetric",
        "resolution": 0,
        "extent": {"x": [1024, 2560], "y": [0, 1000], "z": [0, 70], "t": [0, 1]},
        "chunk_size": {"x": 1024, "y": 1024, "z": 64},
    }
    return job


def write(job: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy with the field at the dotted path set."""
    job = copy.deepcopy(job)
    holder, key = _holder(job, path)
    holder[key] = value
    return job


def delete(job: dict[str, Any], path: str) -> dict[str, Any]:
    """A copy without the field at the dotted path."""
    job = copy.deepcopy(job)
    holder, key = _holder(job, path)
    del holder[key]
    return job


def _holder(job: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    *way, key = path.split(".")
    for part in way:
        job = job[part]
    return job, key
