"""Reads a job file and checks it; whoever wrote it learns all that is wrong with it at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from boss_ingest.config.job_file import JobFile
from boss_ingest.config.json_text import read_json_object
from boss_ingest.config.rules import problems_of_values
from boss_ingest.config.shape_problems import shape_problems
from boss_ingest.errors import ConfigError, Problem


def load_job_file(path: Path) -> JobFile:
    """The job described by the file. Raises ConfigError, whose `problems` are all there are."""
    return parse_job_file(read_json_object(path), source=path)


def parse_job_file(data: dict[str, Any], *, source: Path) -> JobFile:
    """The job described by a JSON object; `source` names it in messages. Raises ConfigError."""
    found: list[Problem] = []
    job: JobFile | None = None
    try:
        job = JobFile.read(data, source=source)
    except ValidationError as error:
        found += shape_problems(error.errors(include_url=False), data)
    seen = {problem.path for problem in found}
    found += [problem for problem in problems_of_values(data) if problem.path not in seen]
    if found or job is None:
        things = "one thing is" if len(found) == 1 else f"{len(found)} things are"
        raise ConfigError(f"{source} cannot be used: {things} wrong with it", problems=tuple(found))
    return job
