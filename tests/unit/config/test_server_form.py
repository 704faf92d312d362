"""The Boss is told all it needs of a job file, and nothing that is not its business."""

from __future__ import annotations

import json
from pathlib import Path

from boss_ingest.config.loading import parse_job_file
from boss_ingest.config.server_form import NO_PATH_PROCESSOR, server_form
from tests.job_files import delete, tile_job, volumetric_job, write

SOURCE = Path("job.json")


def test_a_tile_job_is_sent_without_the_parameters_of_its_plugins() -> None:
    expected = tile_job()
    for processor in ("path_processor", "tile_processor"):
        expected["client"][processor]["params"] = {}
    assert server_form(parse_job_file(tile_job(), source=SOURCE)) == expected


def test_a_volumetric_job_is_sent_with_its_type_and_chunk() -> None:
    expected = volumetric_job()
    expected["client"]["path_processor"]["params"] = {}
    assert server_form(parse_job_file(volumetric_job(), source=SOURCE)) == expected


def test_an_absent_path_processor_is_filled_in() -> None:
    form = server_form(parse_job_file(delete(tile_job(), "client.path_processor"), source=SOURCE))
    assert form["client"]["path_processor"] == {"class": NO_PATH_PROCESSOR, "params": {}}  # type: ignore[index]  # JSON


def test_nothing_a_person_added_leaves_the_machine() -> None:
    data = tile_job()
    for path in (
        "note",
        "client.note",
        "client.backend.note",
        "ingest_job.note",
        "client.tile_processor.note",
    ):
        data = write(data, path, "s3cret")
    data = write(data, "client.tile_processor.params", {"token": "s3cret"})
    assert "s3cret" not in json.dumps(server_form(parse_job_file(data, source=SOURCE)))


def test_what_is_sent_is_a_job_file_again() -> None:
    for data in (tile_job(), volumetric_job()):
        form = server_form(parse_job_file(data, source=SOURCE))
        assert server_form(parse_job_file(form, source=SOURCE)) == form
