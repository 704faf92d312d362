"""A botocore session that hears nothing of the machine's own AWS set-up, and the clients made from it.

No profile, credentials, config file, instance metadata or AWS variable reaches it: only the job's keys
sign its requests. One call is one request, and whoever calls decides on trying again; only a PUT whose
connection breaks is sent once more by aiohttp, since kept connections do break.
"""

from __future__ import annotations

import logging
import os
import ssl
from typing import TYPE_CHECKING, Any

from aiobotocore.config import AioConfig
from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession

from boss_ingest import __version__
from boss_ingest.aws.s3 import send_at_once
from boss_ingest.aws.sqs import refuse_garbage
from boss_ingest.errors import UsageError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from boss_ingest.aws.endpoints import Endpoints
    from boss_ingest.aws.keys import Keys

_CONNECT_LIMIT_S = 10.0
_SILENCE_LIMIT_S = 60.0
"""The longest wait for the next byte of an answer; above SQS's long poll of 20 s."""

_SQS_CONNECTIONS = 32


class Session:
    """Makes SQS and S3 clients that sign with the keys last given to `use`.

    Raises UsageError when `ca_bundle` is not a file of certificates.
    """

    def __init__(self, endpoints: Endpoints, *, ca_bundle: Path | None = None) -> None:
        self._endpoints = endpoints
        self._verify = _readable(ca_bundle) if ca_bundle else None
        self._held = AioCredentials("", "")
        self._session = AioSession(session_vars=_deaf_to_the_machine())
        self._session.register_component("credential_provider", _Holding(self._held))
        self._session.register("before-parse.sqs", refuse_garbage)
        self._session.register("before-sign.s3.PutObject", send_at_once)
        _keep_secrets_out_of_logs()

    def use(self, keys: Keys) -> None:
        """Sign with these keys from the next request on; one under way keeps those it was signed with."""
        token = keys.session_token
        self._held.access_key = keys.access_key
        self._held.secret_key = keys.secret_key.get_secret_value()
        self._held.token = token.get_secret_value() if token else None

    def sqs(self) -> AbstractAsyncContextManager[Any]:
        """An SQS client."""
        return self._client("sqs", self._endpoints.sqs_url, connections=_SQS_CONNECTIONS)

    def s3(self, *, concurrency: int) -> AbstractAsyncContextManager[Any]:
        """An S3 client for so many PUTs at once; path-style, since the names of the Boss's buckets have dots.

        Over TLS the signature leaves out the body, which its checksum guards; over plain HTTP it must not.
        """
        url = self._endpoints.s3_url
        plain = url is not None and not url.startswith("https:")
        style = {"addressing_style": "path", "payload_signing_enabled": plain}
        return self._client("s3", url, connections=concurrency, s3=style)

    def _client(
        self, service: str, url: str | None, *, connections: int, **settings: Any
    ) -> AbstractAsyncContextManager[Any]:
        config = AioConfig(
            connect_timeout=_CONNECT_LIMIT_S,
            read_timeout=_SILENCE_LIMIT_S,
            max_pool_connections=connections,
            retries={"total_max_attempts": 1, "mode": "standard"},
            defaults_mode="legacy",
            user_agent=f"boss-ingest/{__version__}",  # botocore's own is made anew twice a request
            **settings,
        )
        client: AbstractAsyncContextManager[Any] = self._session.create_client(
            service, region_name=self._endpoints.region, endpoint_url=url, verify=self._verify, config=config
        )
        return client


def _readable(ca_bundle: Path) -> str:
    try:
        ssl.create_default_context(cafile=ca_bundle)
    except OSError as error:
        raise UsageError(
            f"the CA bundle {ca_bundle} cannot be used: {error.strerror or error}",
            hint="it must be a file of PEM certificates",
        ) from error
    return str(ca_bundle)


class _Holding:
    """What botocore calls a credential provider; all clients share the credentials that it holds."""

    def __init__(self, held: AioCredentials) -> None:
        self._held = held

    async def load_credentials(self) -> AioCredentials:
        return self._held


def _deaf_to_the_machine() -> dict[str, tuple[None, None, Any, Any]]:
    """Every setting of botocore at its default, heard from neither environment nor config file."""
    return {
        name: (None, None, default, convert)
        for name, (_, _, default, convert) in AioSession.SESSION_VARIABLES.items()
    } | dict.fromkeys(("config_file", "credentials_file"), (None, None, os.devnull, None))


def _keep_secrets_out_of_logs() -> None:
    """What botocore logs for debugging has signatures, session tokens and receipts in it."""
    for name in ("botocore", "aiobotocore"):
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.INFO))
