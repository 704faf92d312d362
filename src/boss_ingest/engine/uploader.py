"""Where the upload of a joined job takes place: in this process, or in several that this one watches over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from boss_ingest.aws.account import Account, Issue
from boss_ingest.aws.keys import Keep, Keyring
from boss_ingest.boss.jobs import Joined
from boss_ingest.engine.collecting import collected_seldom
from boss_ingest.engine.pipeline import End
from boss_ingest.engine.siblings import Siblings
from boss_ingest.engine.upload import Work, open_pipeline, untold

_POOL_SLACK = 16  # connections beside the PUTs: receives, index messages, deletes


class Uploader(Protocol):
    """Takes tasks until there are none; may be asked again when the Boss finds more."""

    async def run(self) -> End:
        """As `Pipeline.run`."""


@dataclass(frozen=True, slots=True)
class Access:
    """How queues and bucket may be talked to."""

    ca_bundle: Path | None
    allow_http: bool


def open_uploader(
    work: Work, joined: Joined, issue: Issue, access: Access
) -> AbstractAsyncContextManager[Uploader]:
    """In as many processes as the options say; `issue` gives the keys of all."""
    if work.options.processes == 1:
        return open_here(work, joined, issue, access)
    from boss_ingest.engine.fleet import Fleet  # noqa: PLC0415 - for those who ask for it

    return Fleet(work, joined, issue, access)


@asynccontextmanager
async def open_here(
    work: Work,
    joined: Joined,
    issue: Issue,
    access: Access,
    *,
    keep: Keep = Keyring,
    siblings: Siblings | None = None,
) -> AsyncIterator[Uploader]:
    """In this process; one of several has `siblings`, and its keys from their parent."""
    if joined.job.upload_queue is None:
        raise untold(joined, "upload queue")
    account = Account(
        issue,
        queue_url=joined.job.upload_queue,
        concurrency=work.options.concurrency + _POOL_SLACK,
        ca_bundle=access.ca_bundle,
        allow_http=access.allow_http,
        keep=keep,
    )
    tiles = work.job.ingest_job.ingest_type == "tile"
    with collected_seldom() if tiles else nullcontext():
        async with account, open_pipeline(work, joined, account, siblings) as pipeline:
            yield pipeline
