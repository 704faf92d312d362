"""Reads jobs out of the Boss's JSON. What does not fit raises ValueError and names the field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import SecretStr

from boss_ingest.boss.answers import Answer, error_of
from boss_ingest.boss.jobs import (
    IngestType,
    Job,
    JobCredentials,
    JobState,
    JobStatus,
    JobSummary,
    Joined,
)
from boss_ingest.boss.keys import LookupIds
from boss_ingest.errors import TransientError

T = TypeVar("T")

_SETTINGS = ("KVIO_SETTINGS", "STATEIO_CONFIG", "OBJECTIO_CONFIG", "resource")


def read(answer: Answer, reader: Callable[[Any], T], doing: str) -> T:
    """`reader` applied to the JSON of a successful answer; TransientError when it does not fit.

    Transient because such an answer nearly always comes from something in between, or from a Boss that
    is being restarted. Neither the value nor the body is repeated: it may hold keys.
    """
    data = answer.data
    if data is None:
        raise error_of(answer, doing)
    try:
        return reader(data)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise TransientError(
            f"{doing}: the Boss's answer is not as expected ({type(error).__name__}: {error})",
            hint="is this host really a Boss, and of a version that boss-ingest knows?",
        ) from None


def job(data: Mapping[str, Any]) -> Job:
    """From the answer to create, or `ingest_job` of the answer to join."""
    return Job(
        id=_count(data, "id"),
        collection=str(data["collection"]),
        experiment=str(data["experiment"]),
        channel=str(data["channel"]),
        state=JobState(_count(data, "status")),
        ingest_type=_ingest_type(data),
        upload_queue=_url_or_none(data, "upload_queue"),
        ingest_queue=_url_or_none(data, "ingest_queue"),
        tile_index_queue=_url_or_none(data, "tile_index_queue"),
        tile_count=_count(data, "tile_count"),
    )


def joined(data: Mapping[str, Any]) -> Joined:
    """From the answer to join; a job that has ended has an `ingest_job` and nothing else."""
    told = Joined(
        job=job(data["ingest_job"]),
        credentials=_credentials(data.get("credentials")),
        tile_bucket=_text_or_none(data, "tile_bucket_name"),
        ingest_bucket=_text_or_none(data, "ingest_bucket_name"),
        settings={key: data[key] for key in _SETTINGS if key in data},
    )
    if told.lookup_key:
        LookupIds.parse(told.lookup_key)
    return told


def status(data: Mapping[str, Any]) -> JobStatus:
    """From the answer to status."""
    return JobStatus(
        id=_count(data, "id"),
        state=JobState(_count(data, "status")),
        total=_count(data, "total_message_count"),
        visible=_count(data, "current_message_count"),
    )


def summaries(data: Mapping[str, Any]) -> list[JobSummary]:
    """From the answer to list."""
    return [
        JobSummary(
            id=_count(line, "id"),
            collection=str(line["collection"]),
            experiment=str(line["experiment"]),
            channel=str(line["channel"]),
            state=JobState(_count(line, "status")),
            ingest_type=_ingest_type(line),
            created_on=_time(line.get("created_on")),
            completed_on=_time(line.get("completed_on")),
        )
        for line in data["ingest_jobs"]
    ]


def _credentials(data: Mapping[str, Any] | None) -> JobCredentials | None:
    if data is None:
        return None
    session_token = _text_or_none(data, "security_token")
    return JobCredentials(
        access_key=_text(data, "access_key"),
        secret_key=SecretStr(_text(data, "secret_key")),
        session_token=SecretStr(session_token) if session_token else None,
    )


def _ingest_type(data: Mapping[str, Any]) -> IngestType:
    return "volumetric" if _count(data, "ingest_type") == 1 else "tile"


def _count(data: Mapping[str, Any], key: str) -> int:
    value = data[key]
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key} is no count")
    return value


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data[key]
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key} is no text")
    return value


def _text_or_none(data: Mapping[str, Any], key: str) -> str | None:
    return _text(data, key) if data.get(key) else None


def _url_or_none(data: Mapping[str, Any], key: str) -> str | None:
    url = _text_or_none(data, key)
    if url is not None and not url.startswith(("https://", "http://")):
        raise ValueError(f"{key} is no URL")
    return url


def _time(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
