"""A Boss in which nothing is made: to see what would be, before it is."""

from __future__ import annotations

from typing import TypeVar

from boss_ingest.boss.answers import ResourceMissingError
from boss_ingest.boss.client import BossClient
from boss_ingest.boss.resources import Resource

R = TypeVar("R", bound=Resource)


class OnPaper(BossClient):
    """What is created is only remembered, and found again here where the Boss does not have it."""

    _made: dict[str, Resource] | None = None

    async def _get(self, kind: type[R], path: str, **known: str) -> R:
        try:
            return await super()._get(kind, path, **known)
        except ResourceMissingError:
            found = (self._made or {}).get(path)
            if isinstance(found, kind):
                return found
            raise

    async def _create(self, new: R, path: str, **known: str) -> R:  # noqa: ARG002 - as its parent's
        self._made = {**(self._made or {}), path: new}
        return new
