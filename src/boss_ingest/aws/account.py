"""One host's way into one job's queues and bucket: its keys, and the requests signed with them."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from boss_ingest.aws.clock import Clock
from boss_ingest.aws.endpoints import Endpoints
from boss_ingest.aws.keys import Issue, Keep, Keyring, Keys
from boss_ingest.aws.s3 import S3Bucket
from boss_ingest.aws.signing import Signer
from boss_ingest.aws.sqs import Sqs, SqsIndexQueue, SqsUploadQueue
from boss_ingest.aws.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from boss_ingest.aws.bucket import Bucket
    from boss_ingest.aws.queue import IndexQueue, UploadQueue
    from boss_ingest.errors import CredentialsError

__all__ = ["Account", "Issue", "Keys"]

_SQS_CONNECTIONS = 32


class Account:
    """Async context manager; one per host, shared by all that it uploads.

    Entering asks for the first keys and raises what `issue` raises. Renewed keys reach every queue and
    bucket at their next request, without a new connection. Leaving sends the acknowledgements and messages
    that wait. `concurrency` is the number of PUTs at once; `ca_bundle` a file of PEM certificates to trust
    in place of the usual. Raises UsageError for URLs that are none, for those that would carry the job's keys
    over a network unencrypted unless `allow_http`, and for a bundle that is none. `keep` makes who keeps the
    keys: of several processes of a host only one does.
    """

    def __init__(
        self,
        issue: Issue,
        *,
        queue_url: str,
        concurrency: int,
        region: str | None = None,
        ca_bundle: Path | None = None,
        allow_http: bool = False,
        env: Mapping[str, str] = os.environ,
        keep: Keep = Keyring,
    ) -> None:
        at = Endpoints.find(queue_url, env=env, region=region, allow_http=allow_http)
        self._clock = Clock()
        signer = Signer(at.region, self._clock)
        self._keyring = keep(issue, signer.use)
        self._to_sqs = Transport("sqs", at.sqs_url, signer, connections=_SQS_CONNECTIONS, ca_bundle=ca_bundle)
        self._to_s3 = Transport("s3", at.s3_url, signer, connections=concurrency, ca_bundle=ca_bundle)
        self._sqs = Sqs(self._to_sqs, self._clock)
        self._connections = AsyncExitStack()
        self._queues: list[SqsUploadQueue | SqsIndexQueue] = []
        self._renewal: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opening:
            await self._keyring.start()
            await opening.enter_async_context(self._to_sqs)
            await opening.enter_async_context(self._to_s3)
            self._renewal = asyncio.create_task(self._keyring.renew_ahead_of_time(), name="key renewal")
            self._connections = opening.pop_all()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        async with self._connections:
            try:
                await asyncio.gather(*(queue.close() for queue in self._queues))
            finally:
                await self._stop_renewing()

    def upload_queue(self, url: str) -> UploadQueue:
        """The job's upload queue."""
        queue = SqsUploadQueue(self._sqs, url)
        self._queues.append(queue)
        return queue

    def index_queue(self, url: str) -> IndexQueue:
        """The job's tile index queue."""
        queue = SqsIndexQueue(self._sqs, url)
        self._queues.append(queue)
        return queue

    def bucket(self, name: str) -> Bucket:
        """The job's tile or ingest bucket."""
        return S3Bucket(self._to_s3, name, self._clock)

    async def renew(self, *, because: CredentialsError) -> None:
        """Ask for new keys, once for all callers and not too often; see `Keyring.renew`.

        Returns without new keys while the last are so young that AWS may not know them yet: back off and
        try again.
        """
        await self._keyring.renew(because=because)

    async def _stop_renewing(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
