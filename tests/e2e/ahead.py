"""Progress that is told as JSON lines, held against what the Boss has stored by then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from boss_ingest.local.settings import TILE_BUCKET

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.command import Running


async def told_ahead(running: Running, boss: LocalBoss) -> list[str]:
    """Follow a command until it tells its outcome; returns what it told ahead of the truth."""
    ahead: list[str] = []

    def look(line: str) -> bool:
        if line.startswith("{") and (event := json.loads(line))["event"] == "Progress":
            stored = len(boss.objects(TILE_BUCKET))
            if event["objects"] > stored or event["stored"] > stored or event["done"] > event["total"]:
                ahead.append(f"{stored} objects, but {line}")
        return '"Outcome"' in line

    await running.until(look)
    return ahead
