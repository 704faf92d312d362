"""What must be true of a job file, and can be told without asking the Boss.

The server checks next to none of this, and stores shifted, black or no voxels instead: the reasons
stand in docs/protocol.md, "Job file". `problems` forbid a job; `warnings` are for a person to read.
The rules about extents and sizes are in `geometry_rules.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from boss_ingest.config import geometry_rules
from boss_ingest.config.geometry import Geometry
from boss_ingest.config.job_file import JobFile
from boss_ingest.config.near_misses import misspelling_of, near_misses
from boss_ingest.errors import Problem

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,255}")
_HOST = re.compile(r"(\[[0-9a-fA-F:]+\]|[a-zA-Z0-9_.-]+)(:\d{1,5})?")
_EXAMPLES = {
    "ingest_job.tile_size": '"tile_size": {"x": 1024, "y": 1024, "z": 1, "t": 1}',
    "ingest_job.chunk_size": '"chunk_size": {"x": 1024, "y": 1024, "z": 64}',
    "client.tile_processor": '"tile_processor": {"class": "package.module.Class", "params": {}}',
    "client.chunk_processor": '"chunk_processor": {"class": "package.module.Class", "params": {}}',
}


def problems(job: JobFile) -> list[Problem]:
    """All that is wrong with the values of a job file whose shape is right."""
    data = job.model_dump(by_alias=True)
    return problems_of_values({**data, "ingest_job": job.ingest_job.raw})


def problems_of_values(data: Mapping[str, object]) -> list[Problem]:
    """The same for a JSON object of any shape: whatever can be read of it is checked."""
    geometry = Geometry.read(data.get("ingest_job"))
    return [
        *_of_schema(data),
        *_of_host(_at(_at(data, "client"), "backend")),
        *_of_names(_at(data, "database")),
        *_of_sections(data, geometry),
        *geometry_rules.problems(geometry),
    ]


def warnings(job: JobFile) -> list[str]:
    """What may be meant, but has cost others their data or their day."""
    geometry = Geometry.read(job.ingest_job.raw)
    return [*near_misses(job), *_of_validator(job), *geometry_rules.warnings(geometry)]


def _at(holder: object, key: str) -> object:
    return holder.get(key) if isinstance(holder, Mapping) else None


def _of_schema(data: Mapping[str, object]) -> Iterator[Problem]:
    name, ingest_job = _at(data.get("schema"), "name"), data.get("ingest_job")
    kind = _at(ingest_job, "ingest_type")
    if name == "boss-v0.1-schema" and kind == "volumetric":
        fix = 'write "boss-v0.2-schema", and "BossValidatorV02" as schema.validator'
        yield Problem("schema.name", '"boss-v0.1-schema"', "a volumetric job needs the schema v0.2", fix)
    if name == "boss-v0.2-schema" and isinstance(ingest_job, Mapping) and kind is None:
        fix = 'add "ingest_type": "tile" or "ingest_type": "volumetric"'
        yield Problem("ingest_job.ingest_type", "missing", "schema v0.2 wants it said", fix)


def _of_host(backend: object) -> Iterator[Problem]:
    host = _at(backend, "host")
    if isinstance(host, str) and not _HOST.fullmatch(host):
        bare = re.sub(r"^\w+://|/.*$", "", host.strip()).rpartition("@")[2]  # a password may stand before @
        fix = f'write "{bare}"' if _HOST.fullmatch(bare) else 'write it like "api.bossdb.io"'
        rule = "a host name, with a port or without, and nothing else"
        yield Problem("client.backend.host", repr(host[:80]) if "@" not in host else "with an @", rule, fix)


def _of_names(database: object) -> Iterator[Problem]:
    for key in ("collection", "experiment", "channel"):
        name = _at(database, key)
        if isinstance(name, str) and not _NAME.fullmatch(name):
            rule = "names in a Boss are 1 to 255 letters, digits, '_' and '-'"
            yield Problem(
                f"database.{key}", repr(name[:80]), rule, f"write the {key}'s name as the Boss has it"
            )


def _of_sections(data: Mapping[str, object], geometry: Geometry) -> Iterator[Problem]:
    """The two sections that an ingest type cannot do without."""
    if geometry.ingest_type is None:
        return
    kind = "tile" if geometry.ingest_type == "tile" else "chunk"
    for section, key in (("client", f"{kind}_processor"), ("ingest_job", f"{kind}_size")):
        holder = data.get(section)
        if isinstance(holder, Mapping) and holder.get(key) is None:
            path = f"{section}.{key}"
            misspelt = misspelling_of(key, holder)
            fix = f'"{misspelt}" is probably meant: write "{key}"' if misspelt else f"add {_EXAMPLES[path]}"
            yield Problem(path, "missing", f"a {geometry.ingest_type} job needs it", fix)


def _of_validator(job: JobFile) -> Iterator[str]:
    wanted = {"boss-v0.1-schema": "BossValidatorV01", "boss-v0.2-schema": "BossValidatorV02"}[job.schema_name]
    if job.declared.validator != wanted:
        yield f"schema.validator is {job.declared.validator}; {job.schema_name} goes with {wanted}"
