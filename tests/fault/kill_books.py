"""The books of a local Boss, read from its files while it runs or lies dead: what must be there, what is."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from boss_ingest.boss.keys import CuboidKey, LookupIds
from boss_ingest.local.job_plan import read_plan
from boss_ingest.local.job_store import State
from boss_ingest.local.populate import messages
from boss_ingest.local.queues import upload_queue
from boss_ingest.local.settings import INGEST_BUCKET, TILE_BUCKET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_STRAYS_OF_A_KILL = 8  # objects that were being placed when the Boss died


@dataclass(frozen=True, slots=True)
class JobEntry:
    """A job as the Boss knows it."""

    id: int
    state: State
    populated: bool
    config: dict[str, Any]
    ids: LookupIds


class Books:
    """Reads, and never writes; a file is opened anew each time, for its owner may be killed at any."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def jobs(self) -> list[JobEntry]:
        rows = self._read("boss.sqlite", "SELECT id, state, populate, config, lookup_key FROM jobs")
        return [
            JobEntry(id_, State(state), populate == "SUCCEEDED", json.loads(config), LookupIds.parse(key))
            for id_, state, populate, config, key in rows
        ]

    def is_drained(self) -> bool:
        """Whether a job's upload queue was filled and is empty."""
        jobs = self.jobs()
        return bool(jobs) and jobs[0].populated and self._left(jobs[0]) == []

    def lost(self) -> list[str]:
        """Keys of objects that are not stored though the messages that ask for them are deleted."""
        lost: list[str] = []
        for job in self.jobs():
            left = self._left(job)
            if left is None:
                continue
            plan = read_plan(job.config)
            bodies = messages(
                plan, job.ids, job.config["ingest_job"]["resolution"], job_id=job.id,
                upload_url="", ingest_url="",
            )  # fmt: skip
            tile = plan.ingest_type == "tile"
            undone = {json.loads(body)["tile_key" if tile else "chunk_key"] for body in left}
            stored = self._objects(TILE_BUCKET if tile else INGEST_BUCKET)
            for task in map(json.loads, bodies):
                if task["tile_key" if tile else "chunk_key"] not in undone:
                    keys = [task["tile_key"]] if tile else _inside(task["cuboids"], plan.stop)
                    lost += [key for key in keys if key not in stored]
        return lost

    def strays(self, *, was_killed: bool) -> list[str]:
        """Files that belong to nothing, if they are more than one death explains."""
        rows = self._read("boss.sqlite", "SELECT file FROM objects")
        known = {file for (file,) in rows}
        files = [path for path in (self._folder / "objects").rglob("*") if path.is_file()]
        strays = [str(path) for path in files if path.name not in known]
        strays += [str(path) for path in (self._folder / "queues").glob("*.filling*")]
        return strays if len(strays) > (_STRAYS_OF_A_KILL if was_killed else 0) else []

    def _left(self, job: JobEntry) -> list[str] | None:
        """Bodies of the messages in the upload queue; None while there is no such queue."""
        if not job.populated:
            return None
        try:
            rows = self._read(f"queues/{upload_queue(job.id)}.sqlite", "SELECT body FROM messages")
        except sqlite3.OperationalError:
            return None  # deleted with its job
        return [body for (body,) in rows]

    def _objects(self, bucket: str) -> set[str]:
        rows = self._read("boss.sqlite", "SELECT key FROM objects WHERE bucket = ?", (bucket,))
        return {key for (key,) in rows}

    def _read(self, file: str, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        path = f"file:{self._folder / file}?mode=ro"
        with closing(sqlite3.connect(path, uri=True, timeout=60.0)) as connection:
            return connection.execute(sql, parameters).fetchall()


def _inside(cuboids: list[dict[str, Any]], stop_xyzt: Sequence[int]) -> list[str]:
    """Keys of those cuboids that hold a voxel of the extent, which begins at the origin."""
    stops = stop_xyzt[2], stop_xyzt[1], stop_xyzt[0]
    return [
        key
        for key in (cuboid["key"] for cuboid in cuboids)
        if all(at < stop for at, stop in zip(CuboidKey.decode(key).origin_zyx, stops, strict=True))
    ]
