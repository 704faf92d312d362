"""A bucket `lab` for sources on S3, on two servers: moto, and rclone, which answers ranges in its own way."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.contract.moto_server import running_moto, second_opinion
from tests.contract.rclone_server import ACCESS_KEY, SECRET_KEY, running_rclone

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SERVERS = ["moto", "rclone"]


@dataclass(frozen=True)
class Server:
    """Where it is, who may read it, and boto3 to fill it with."""

    url: str
    access_key: str
    secret_key: str
    client: Any


@asynccontextmanager
async def s3_server(kind: str, folder: Path) -> AsyncIterator[Server]:
    """One of SERVERS, running, with the bucket; rclone keeps it below `folder`."""
    if kind == "moto":
        with running_moto() as url:
            yield _filled(url, "admin", "admin")
        return
    (folder / "buckets").mkdir()
    async with running_rclone(folder / "buckets") as url:
        yield _filled(url, ACCESS_KEY, SECRET_KEY)


def _filled(url: str, access_key: str, secret_key: str) -> Server:
    client = second_opinion("s3", url, access_key, secret_key)
    client.create_bucket(Bucket="lab")
    return Server(url, access_key, secret_key, client)
