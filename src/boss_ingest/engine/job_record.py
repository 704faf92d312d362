"""What this machine remembers of the jobs it made: so that `join --job-id` needs no job file named."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobRecord:
    """Where a job came from. Paths are absolute; no token and no plugin parameter is kept."""

    job_id: int
    base_url: str
    config: str  # the job file
    directory: str  # the working directory, which relative paths of the job file start from
    local: str = ""  # the folder of the local Boss the job lives in, if it lives in one
    created: str = ""  # when, as ISO 8601


def home_dir(env: Mapping[str, str]) -> Path:
    """`BOSS_INGEST_HOME`, or `.boss-ingest` in the user's home directory. Raises OSError: there is none."""
    given = env.get("BOSS_INGEST_HOME")
    if given:
        return Path(given)
    try:
        return Path.home() / ".boss-ingest"
    except RuntimeError:
        raise OSError("this user has no home directory; set HOME or BOSS_INGEST_HOME to a folder") from None


def remember(record: JobRecord, env: Mapping[str, str]) -> None:
    """Keep the record of a job; failing to is worth a warning, never the job."""
    try:
        folder = home_dir(env) / "jobs"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{file_name(record.job_id, record.local or record.base_url)}.json"
        path.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    except OSError as error:
        log.warning("this machine will not remember job %d: %s", record.job_id, error)


def recall(job_id: int, env: Mapping[str, str], *, base_url: str = "", local: str = "") -> list[JobRecord]:
    """What is known of a job of this number, of the given Boss or of any; newest first."""
    known: list[tuple[float, JobRecord]] = []
    try:
        paths = list((home_dir(env) / "jobs").glob(f"{job_id}@*.json"))
    except OSError as error:
        log.warning("what this machine remembers of job %d cannot be looked up: %s", job_id, error)
        paths = []
    for path in paths:
        try:
            record = JobRecord(**json.loads(path.read_text(encoding="utf-8")))
            known.append((path.stat().st_mtime, record))
        except (OSError, ValueError, TypeError) as error:
            log.warning("cannot read %s, which tells of job %d: %s", path, job_id, error)
    known.sort(key=lambda each: each[0], reverse=True)
    return [
        record for _, record in known
        if (not base_url or record.base_url == base_url) and (not local or record.local == local)
    ]  # fmt: skip


def file_name(*parts: object) -> str:
    """A file name made of such things as a job id, a Boss and a machine."""
    return "@".join("".join(c if c.isalnum() or c in ".-" else "_" for c in str(part)) for part in parts)
