"""Temporary keys: minted by a join, good for one job, and only for what that job's client must do.

docs/protocol.md, "Credentials".
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boss_ingest.local.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS credentials (
    access_key TEXT PRIMARY KEY, secret_key TEXT NOT NULL, job INTEGER NOT NULL, bucket TEXT NOT NULL,
    upload_queue TEXT NOT NULL, index_queue TEXT, known_from REAL NOT NULL, known_until REAL NOT NULL);
"""
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_RECEIVER = frozenset({"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"})


@dataclass(frozen=True, slots=True)
class Credential:
    """One pair of keys and the policy of its job."""

    access_key: str
    secret_key: str = field(repr=False)
    job: int
    bucket: str
    upload_queue: str
    index_queue: str | None  # None in a volumetric job
    known_from: float
    known_until: float

    @property
    def user(self) -> str:
        """Who these keys belong to, as AWS would call them."""
        return f"arn:aws:iam::000000000000:user/ingest/job-{self.job}"

    def allows(self, action: str, resource: str) -> bool:
        """Whether the job's policy lets these keys do `action` to a queue or bucket of this name."""
        if resource == self.upload_queue:
            return action in _RECEIVER
        if resource == self.index_queue:
            return action == "sqs:SendMessage"
        return resource == self.bucket and action == "s3:PutObject"


class Credentials:
    """All keys that were minted and not revoked."""

    def __init__(self, database: Database, *, delay_s: float, life_s: float, lag_s: float) -> None:
        self._database = database
        self._delay_s = delay_s
        self._life_s = life_s
        self._lag_s = lag_s
        self._known = {row[0]: Credential(*row) for row in database.read("SELECT * FROM credentials")}

    def mint(self, *, job: int, bucket: str, upload_queue: str, index_queue: str | None) -> Credential:
        """New keys. AWS knows them a little later than the client does."""
        now = time.time()
        access_key = "AKIA" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
        minted = Credential(
            access_key,
            secrets.token_urlsafe(30),
            job,
            bucket,
            upload_queue,
            index_queue,
            now + self._delay_s,
            now + self._delay_s + self._life_s,
        )
        self._database.write(
            "INSERT INTO credentials VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                access_key,
                minted.secret_key,
                job,
                bucket,
                upload_queue,
                index_queue,
                minted.known_from,
                minted.known_until,
            ),
        )
        self._known[access_key] = minted
        return minted

    def find(self, access_key: str) -> Credential | None:
        """The credential as SQS and S3 know it now: None when too new, expired, revoked or invented."""
        found = self._known.get(access_key)
        return found if found and found.known_from <= time.time() < found.known_until else None

    def revoke(self, job: int) -> None:
        """Let all keys of a job die, which AWS, like the birth, notices with some delay."""
        until = time.time() + self._lag_s
        for key, one in list(self._known.items()):
            if one.job == job:
                self._known[key] = replace(one, known_until=min(until, one.known_until))
        self._database.write(
            "UPDATE credentials SET known_until = min(known_until, ?) WHERE job = ?", (until, job)
        )
