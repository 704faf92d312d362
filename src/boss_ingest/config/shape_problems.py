"""What pydantic finds wrong with the shape of a job file, said so that a scientist can mend it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from boss_ingest.config.near_misses import misspelling_of
from boss_ingest.errors import Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_EXAMPLES = {
    "schema": '{"name": "boss-v0.2-schema", "validator": "BossValidatorV02"}',
    "schema.name": '"boss-v0.2-schema"',
    "schema.validator": '"BossValidatorV02"',
    "client": '{"backend": {...}, "path_processor": {...}, "tile_processor": {...}}',
    "client.backend": '{"name": "boss", "class": "BossBackend", "protocol": "https", "host": "..."}',
    "client.backend.name": '"boss"',
    "client.backend.class": '"BossBackend"',
    "client.backend.host": '"api.bossdb.io"',
    "client.backend.protocol": '"https"',
    "database": '{"collection": "...", "experiment": "...", "channel": "..."}',
    "ingest_job": '{"ingest_type": "tile", "resolution": 0, "extent": {...}, "tile_size": {...}}',
    "ingest_job.ingest_type": '"tile" or "volumetric"',
    "ingest_job.resolution": "0",
    "ingest_job.extent": '{"x": [0, 8192], "y": [0, 8192], "z": [0, 500], "t": [0, 1]}',
    "ingest_job.extent.t": "[0, 1]",
    "ingest_job.tile_size": '{"x": 1024, "y": 1024, "z": 1, "t": 1}',
    "ingest_job.tile_size.z": "1",
    "ingest_job.tile_size.t": "1",
    "ingest_job.chunk_size": '{"x": 1024, "y": 1024, "z": 64}',
}
_BY_LAST_KEY = {
    "params": "{}", "class": '"package.module.Class"', "collection": '"my_collection"',
    "experiment": '"my_experiment"', "channel": '"my_channel"', "x": "1024", "y": "1024", "z": "64",
}  # fmt: skip
_RULES = {
    "int_type": "a whole number, without quotes or decimal point",
    "string_type": "a text in quotes",
    "string_too_short": "a text that is not empty",
    "dict_type": "an object in braces",
    "model_type": "an object in braces",
    "tuple_type": "a list of two whole numbers: [start, stop]",
    "too_long": "a list of exactly two whole numbers: [start, stop]",
}


def shape_problems(errors: Iterable[ErrorDetails], data: object) -> list[Problem]:
    """One problem for each error pydantic found in `data`."""
    return [_problem(error, data) for error in errors]


def _problem(error: ErrorDetails, data: object) -> Problem:
    location, kind = error["loc"], error["type"]
    if kind == "missing" and location and isinstance(location[-1], int):
        location, kind = location[:-1], "too_long"  # a pair of one number: speak of the pair
    path = _path(location)
    if kind == "missing":
        return _missing(path, _found(data, location[:-1]), str(location[-1]))
    rule = _RULES.get(kind)
    if kind == "literal_error":
        rule = f"one of {error['ctx']['expected']}".replace("'", '"')
    example = _example(path)
    fix = f"write {example}" if example else "correct it"
    value = _shown(_found(data, location), secret="params" in location)
    return Problem(path, value, rule or error["msg"], fix)


def _missing(path: str, holder: object, key: str) -> Problem:
    written = holder if isinstance(holder, Mapping) else {}
    misspelt = misspelling_of(key, written)
    example = _example(path)
    fix = f'add "{key}"' + (f": {example}" if example else "")
    if misspelt is not None:
        fix = f'"{misspelt}" is probably meant: write "{key}"'
    return Problem(path, "missing", "every job file needs it", fix)


def _example(path: str) -> str:
    if path in _EXAMPLES:
        return _EXAMPLES[path]
    if path.startswith("ingest_job.extent."):
        return "" if path.endswith("]") else "[0, 1024]"
    return _BY_LAST_KEY.get(path.rpartition(".")[2], "")


def _path(location: Sequence[int | str]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path or "the whole file"


def _found(data: object, location: Sequence[int | str]) -> object:
    for part in location:
        try:
            data = data[part]  # type: ignore[index]  # pydantic has walked this way before us
        except (KeyError, IndexError, TypeError):
            return None
    return data


def _shown(value: object, *, secret: bool) -> str:
    """A value as JSON, shortened. Plugin parameters may hold tokens: only their kind is told."""
    if secret:
        return {str: "a text", list: "a list", type(None): "null"}.get(type(value), "no object")
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
