"""Whether a volume is there at all: its metadata tells, as stored chunks that are not there may be zeros."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from boss_ingest.errors import SourceAwayError
from boss_ingest.plugins.read_threads import read_in_thread

if TYPE_CHECKING:
    from pathlib import Path

_LOOK_S = 30.0


async def check_still_there(metadata: Path | None, where: str) -> None:
    """Look for the file that describes the volume on a local disk (None: it is elsewhere), after every read.

    Raises SourceAwayError when it is gone, as from a disk that is no longer mounted.
    """
    if metadata is None:
        return
    try:
        async with asyncio.timeout(_LOOK_S):
            await read_in_thread(os.stat, metadata)
    except OSError as error:
        raise gone(where, f"{metadata}: {error.strerror or 'no answer'}") from error


def gone(where: str, why: str) -> SourceAwayError:
    """The error of a volume that was there when the job began."""
    return SourceAwayError(
        f"{where} cannot be read: {why}", hint="it was there when the job began: is its disk still mounted?"
    )
