"""Runs a local Boss until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

from boss_ingest.local.boss import LocalBoss

if TYPE_CHECKING:
    from collections.abc import Callable

    from boss_ingest.local.settings import Settings


async def serve(settings: Settings, *, ready: Callable[[str], None]) -> None:
    """Serve until cancelled or SIGTERM; `ready` gets the URL once it answers. Raises UsageError."""
    told_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows has no SIGTERM to wait for
        loop.add_signal_handler(signal.SIGTERM, told_to_stop.set)
    try:
        async with LocalBoss(settings) as boss:
            ready(boss.url)
            await told_to_stop.wait()
    finally:
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGTERM)
