"""Where a job's SQS and S3 are: region and base URLs, told from the queue's URL and the environment.

The Boss names no region (docs/protocol.md, "Credentials"); the host of the upload queue's URL does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from boss_ingest.config.hosts import is_loopback
from boss_ingest.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_REGION = "us-east-1"

_AWS_HOST = re.compile(
    r"(?:sqs\.(?P<modern>[a-z0-9-]+)|(?P<legacy>[a-z0-9-]+)\.queue|queue)\.(?P<domain>amazonaws\.com(?:\.cn)?)"
)


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Region and base URLs."""

    region: str
    sqs_url: str
    s3_url: str

    @classmethod
    def find(
        cls, queue_url: str, *, env: Mapping[str, str], region: str | None = None, allow_http: bool = False
    ) -> Self:
        """Of one job, from the URL of its upload queue.

        A `region` given outright wins over the queue's host, then AWS_REGION and AWS_DEFAULT_REGION,
        then us-east-1. AWS_ENDPOINT_URL_SQS and AWS_ENDPOINT_URL_S3 win over AWS_ENDPOINT_URL, and that
        over the origin of a queue URL that is not Amazon's: whoever serves its own queues serves its own
        buckets beside them. Raises UsageError for a URL that is none; and, unless `allow_http`, for one by
        which session tokens and voxels would cross a network unencrypted.
        """
        queue = urlsplit(_checked(queue_url, "the upload queue"))
        aws = _AWS_HOST.fullmatch(queue.hostname or "")
        named = (aws["modern"] or aws["legacy"]) if aws else None
        told = region or named or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
        origin = f"{queue.scheme}://{queue.netloc}"

        def url(service: str) -> str:
            given = _from_environment(f"AWS_ENDPOINT_URL_{service.upper()}", env)
            return given or (f"https://{service}.{told}.{aws['domain']}" if aws else origin)

        found = cls(told, url("sqs"), url("s3"))
        if not allow_http:
            _check_encrypted(found.sqs_url, "SQS")
            _check_encrypted(found.s3_url, "S3")
        return found


def _from_environment(name: str, env: Mapping[str, str]) -> str | None:
    for variable in (name, "AWS_ENDPOINT_URL"):
        if url := env.get(variable, "").strip():
            return _checked(url, variable).rstrip("/")
    return None


def _check_encrypted(url: str, service: str) -> None:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]  # a password may stand before it
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError(
            f"{service} at http://{host} would be spoken to in the clear, session tokens and all",
            hint="use its https address, or say --allow-http",
        )


def _checked(url: str, what: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(
            f"{what}: {url!r} is not a URL that requests can be sent to",
            hint="it must look like https://host or http://host:port",
        )
    return url
