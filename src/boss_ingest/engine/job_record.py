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


def home_dir(env: Mapping[str, str]) -> Path:
    """`BOSS_INGEST_HOME`, or `.boss-ingest` in the user's home directory."""
    given = env.get("BOSS_INGEST_HOME")
    return Path(given) if given else Path.home() / ".boss-ingest"


def remember(record: JobRecord, home: Path) -> None:
    """Keep the record of a job; failing to is worth a warning, never the job."""
    try:
        folder = home / "jobs"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _name(record.job_id, record.base_url, record.local)
        path.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    except OSError as error:
        log.warning("this machine will not remember job %d: %s", record.job_id, error)


def recall(job_id: int, home: Path, *, base_url: str = "", local: str = "") -> list[JobRecord]:
    """What is known of a job of this number, of the given Boss or of any; newest first."""
    known: list[tuple[float, JobRecord]] = []
    for path in (home / "jobs").glob(f"{job_id}@*.json"):
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


def _name(job_id: int, base_url: str, local: str) -> str:
    place = local or base_url
    return f"{job_id}@{''.join(c if c.isalnum() or c in '.-' else '_' for c in place)}.json"
