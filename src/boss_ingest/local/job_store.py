"""Ingest jobs as the Boss's database has them (docs/protocol.md, "Job states")."""

from __future__ import annotations

import enum
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boss_ingest.boss.keys import LookupIds
from boss_ingest.local import queues
from boss_ingest.local.settings import INGEST_BUCKET, TILE_BUCKET

if TYPE_CHECKING:
    from boss_ingest.local.database import Database, Row
    from boss_ingest.local.resource_store import ChannelPath

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT, creator TEXT NOT NULL, state INTEGER NOT NULL,
    volumetric INTEGER NOT NULL, config TEXT NOT NULL, lookup_key TEXT NOT NULL,
    resolution INTEGER NOT NULL, tile_count INTEGER NOT NULL, resource TEXT NOT NULL,
    created_at REAL NOT NULL, ended_at REAL, quiet_since REAL, populate TEXT NOT NULL DEFAULT 'RUNNING',
    role INTEGER NOT NULL DEFAULT 0);
"""


class State(enum.IntEnum):
    """What a job does."""

    PREPARING = 0
    UPLOADING = 1
    COMPLETE = 2
    DELETED = 3
    FAILED = 4
    COMPLETING = 5
    WAIT_ON_QUEUES = 6


LIVE = (State.PREPARING, State.UPLOADING, State.COMPLETING, State.WAIT_ON_QUEUES)


@dataclass(frozen=True, slots=True)
class Job:
    """One row: a snapshot, stale after the next change."""

    id: int
    creator: str
    state: State
    volumetric: bool
    config: dict[str, Any]
    lookup_key: str
    resolution: int
    tile_count: int
    resource: dict[str, Any]  # what index messages carry as `resource`
    created_at: float
    ended_at: float | None
    quiet_since: float | None  # when UPLOADING became WAIT_ON_QUEUES
    populate: str  # of the populate step: RUNNING, SUCCEEDED or FAILED
    role: bool  # keys can be minted

    @property
    def ids(self) -> LookupIds:
        """The ids that stand in its keys."""
        return LookupIds.parse(self.lookup_key)

    @property
    def database(self) -> dict[str, str]:
        """Names of collection, experiment and channel, from the stored config."""
        names: dict[str, str] = self.config["database"]
        return {level: names[level] for level in ("collection", "experiment", "channel")}

    @property
    def bucket(self) -> str:
        """Where its clients put objects."""
        return INGEST_BUCKET if self.volumetric else TILE_BUCKET

    @property
    def upload_queue(self) -> str:
        """Name of its queue of tasks."""
        return queues.upload_queue(self.id)

    @property
    def index_queue(self) -> str | None:
        """Name of its queue of uploaded tiles."""
        return None if self.volumetric else queues.index_queue(self.id)

    @property
    def queue_names(self) -> list[str]:
        """Names of all its queues."""
        if self.volumetric:
            return [self.upload_queue]
        return [
            self.upload_queue,
            queues.ingest_queue(self.id),
            queues.index_queue(self.id),
            queues.dead_letter_queue(self.id),
            queues.error_queue(self.id),
        ]


class Jobs:
    """The table of jobs."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, creator: str, config: dict[str, Any], path: ChannelPath, *, volumetric: bool, tile_count: int
    ) -> Job:
        """Insert a job, PREPARING."""
        channel, experiment, frame = path.channel.fields, path.experiment.fields, path.frame.fields
        resource = {
            "boss_key": path.boss_key,
            "lookup_key": path.lookup_key,
            "channel": {field: channel[field] for field in ("type", "datatype", "base_resolution")},
            "experiment": {
                field: experiment[field] for field in ("num_hierarchy_levels", "hierarchy_method")
            },
            "coord_frame": {
                field: frame[field] for field in ("x_voxel_size", "y_voxel_size", "z_voxel_size")
            },
        }
        cursor = self._database.write(
            "INSERT INTO jobs (creator, state, volumetric, config, lookup_key, resolution, tile_count,"
            " resource, created_at) VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?)",
            (
                creator,
                volumetric,
                json.dumps(config),
                path.lookup_key,
                channel["base_resolution"],
                tile_count,
                json.dumps(resource),
                time.time(),
            ),
        )
        return self[cursor.lastrowid or 0]

    def __getitem__(self, job_id: int) -> Job:
        row = self._database.one("SELECT * FROM jobs WHERE id = ?", (job_id,))
        if row is None:
            raise KeyError(job_id)
        return _job(row)

    def all(self) -> list[Job]:
        """Every job, the oldest first."""
        return [_job(row) for row in self._database.read("SELECT * FROM jobs ORDER BY id")]

    def set_state(self, job: Job, state: State, *, only_from: State | None = None) -> bool:
        """Change a job's state; False when it was not `only_from` any more."""
        known = "" if only_from is None else f" AND state = {only_from:d}"
        ended_at = time.time() if state in (State.COMPLETE, State.DELETED) else None
        sql = f"UPDATE jobs SET state = ?, ended_at = ? WHERE id = ?{known}"
        return self._database.write(sql, (state, ended_at, job.id)).rowcount == 1

    def start_quiet_period(self, job: Job) -> None:
        """UPLOADING becomes WAIT_ON_QUEUES, now."""
        self._database.write("UPDATE jobs SET state = 6, quiet_since = ? WHERE id = ?", (time.time(), job.id))

    def set_populated(self, job: Job, outcome: str) -> None:
        """How the populate step ended: SUCCEEDED or FAILED."""
        self._database.write("UPDATE jobs SET populate = ? WHERE id = ?", (outcome, job.id))

    def grant_role(self, job: Job) -> None:
        """From now on, keys can be minted for this job."""
        self._database.write("UPDATE jobs SET role = 1 WHERE id = ?", (job.id,))


def _job(row: Row) -> Job:
    (
        id_,
        creator,
        state,
        volumetric,
        config,
        lookup_key,
        resolution,
        tile_count,
        resource,
        created_at,
        ended_at,
        quiet_since,
        populate,
        role,
    ) = row
    return Job(
        id_,
        creator,
        State(state),
        bool(volumetric),
        json.loads(config),
        lookup_key,
        resolution,
        tile_count,
        json.loads(resource),
        created_at,
        ended_at,
        quiet_since,
        populate,
        bool(role),
    )
