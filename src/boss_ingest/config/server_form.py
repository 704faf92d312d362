"""What the Boss is told of a job file: everything it needs, and nothing that is not its business.

The server runs the original client's own schema over this (docs/protocol.md, "Creating a job"), so all
of the legacy's sections are there. Plugin parameters are not: they hold paths and tokens, the server has
no use for them, and it would store them for good.
"""

from __future__ import annotations

from boss_ingest.config.job_file import JobFile

NO_PATH_PROCESSOR = "ingestclient.plugins.path.TestPassThroughPathProcessor"
"""Stands in where an async reader needs no path processor: in the original, the one whose path is empty."""


def server_form(job: JobFile) -> dict[str, object]:
    """The body of the request that creates the job."""
    path_class = job.path_processor.class_name if job.path_processor else NO_PATH_PROCESSOR
    kind = "tile" if job.ingest_job.ingest_type == "tile" else "chunk"
    return {
        "schema": {"name": job.declared.name, "validator": job.declared.validator},
        "client": {
            "backend": {
                "name": job.backend.name,
                "class": job.backend.class_name,
                "host": job.backend.host,
                "protocol": job.backend.protocol,
            },
            "path_processor": _named(path_class),
            f"{kind}_processor": _named(job.processor.class_name),
        },
        "database": {
            "collection": job.database.collection,
            "experiment": job.database.experiment,
            "channel": job.database.channel,
        },
        "ingest_job": _ingest_job(job),
    }


def _named(class_name: str) -> dict[str, object]:
    return {"class": class_name, "params": {}}


def _ingest_job(job: JobFile) -> dict[str, object]:
    ingest, extent = job.ingest_job, job.ingest_job.extent
    spans = {"x": extent.x, "y": extent.y, "z": extent.z, "t": extent.t}
    form: dict[str, object] = {
        "resolution": ingest.resolution,
        "extent": {axis: [span.start, span.stop] for axis, span in spans.items()},
    }
    if job.schema_name == "boss-v0.2-schema":
        form["ingest_type"] = ingest.ingest_type
    if ingest.ingest_type == "tile":
        assert ingest.tile_size is not None
        form["tile_size"] = {axis: getattr(ingest.tile_size, axis) for axis in "xyzt"}
    else:
        assert ingest.chunk_size is not None
        form["chunk_size"] = {axis: getattr(ingest.chunk_size, axis) for axis in "xyz"}
    return form
