"""Moto's SQS and S3 on loopback, shared by a whole test run, and boto3 as the second opinion on them."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def running_moto() -> Iterator[str]:
    """Yields the base URL."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


@functools.cache
def second_opinion(
    service: str,
    url: str,
    access_key: str = "admin",
    secret_key: str = "admin",
    ca_bundle: Path | None = None,
) -> Any:
    """A boto3 client: another code path than ours, with everything at its defaults."""
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=url,
        verify=str(ca_bundle) if ca_bundle else None,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(s3={"addressing_style": "path"}),
    )
