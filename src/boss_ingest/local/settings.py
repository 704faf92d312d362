"""How a local Boss behaves: where it keeps its state, and the knobs a test or a demonstration turns."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from boss_ingest.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

DOMAIN = "local-boss"
"""Stands where a real stack has its domain with dashes: `local-boss-upload-7`."""

ACCOUNT = "000000000000"
REGION = "us-east-1"
TILE_BUCKET = "tiles.local.boss"
INGEST_BUCKET = "ingest.local.boss"
CUBOID_BUCKET = "cuboids.local.boss"
ADMIN = "bossadmin"
"""The one user who may touch every job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The knobs of one local Boss. Times are in seconds; the defaults are those of a real one, but quicker.

    `dir` holds everything, and outlives the process: a Boss started on the same directory goes on where
    the last one stopped, also after kill -9. Nothing waits for the disk, so a power cut of the machine may
    cost what was confirmed in the last half minute.

    Raises UsageError when `host` is not a loopback address: its keys and tokens are toys.
    """

    dir: Path
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    populate_s: float = 0.2  # a job is PREPARING at least this long
    populate_fails: bool = False  # the queue is never filled; join answers 400/9001
    quiet_period_s: float = 0.5  # WAIT_ON_QUEUES; 180 on a real Boss
    visibility_s: float = 120.0  # of the upload queue
    longest_visibility_s: float = 43200.0  # caps what a client asks for; a real one grants up to 12 hours
    index_visibility_s: float = 720.0  # of the tile index queue
    ingest_visibility_s: float = 530.0  # of the ingest queue, which is not reachable from outside
    credential_delay_s: float = 0.0  # new keys are unknown to SQS and S3 for so long
    credential_life_s: float = 3600.0  # keys are unknown again after so long
    revocation_lag_s: float = 5.0  # keys of an ended job are still known so long: its queues are just gone
    null_credentials: int = 0  # so many joins find no credentials though the job is UPLOADING
    duplicate_rate: float = 0.0  # share of the deliveries of upload messages that come twice
    lost_index_rate: float = 0.0  # share of the accepted tile index messages that have no effect
    shuffled: bool = False  # deliver upload messages in no order, as SQS does
    seed: int = 0  # of everything random
    processing_threads: int = 2  # decode tiles and cut cuboids
    tagged_life_s: float = 3 * 86400.0  # staged objects, once processed
    staged_life_s: float = 21 * 86400.0  # staged objects never processed
    retention_s: float = 14 * 86400.0  # queue messages
    faithful: bool = True  # keep the quirks that clients must survive

    def __post_init__(self) -> None:
        try:
            loopback = self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise UsageError(
                f"the local Boss cannot listen on {self.host}: that is not a loopback address",
                hint="use 127.0.0.1; its tokens and keys protect nothing, so it must not be reachable",
            )
