"""Bounds to the harm that one source can do: what goes wrong with it is the trouble of its own task alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import numpy as np

from boss_ingest.errors import IngestError, PluginError, SourceError
from boss_ingest.plugins.blame import last_line
from boss_ingest.plugins.reader import MadeUp

log = logging.getLogger(__name__)


@contextmanager
def harming_only(name: str) -> Iterator[None]:
    """Around making what was read fit to be stored: whatever goes wrong is the trouble of one task.

    Memory that runs out, as under a batch system's limit, and a mistake of our own, which would end every run
    at the same file. Raises SourceError.
    """
    try:
        yield
    except IngestError:
        raise
    except MemoryError as error:
        raise SourceError(
            f"{name}: there is not memory enough for it",
            hint="give the job more, or take less at a time: --memory, --workers, smaller tiles or chunks",
        ) from error
    except Exception as error:
        log.exception("%s cannot be made fit to be stored", name)
        raise SourceError(
            f"{name} is more than boss-ingest can deal with: {last_line(error)}",
            hint="this is probably a mistake in boss-ingest: please report it with the log file",
        ) from error


@asynccontextmanager
async def others_code(what: str, *, timeout_s: float) -> AsyncIterator[None]:
    """Around what a reader does, which may be anybody's: whatever it raises harms only this task."""
    limit = asyncio.timeout(timeout_s)
    with others_mistakes(what, limit, timeout_s=timeout_s):
        async with limit:
            yield


@contextmanager
def others_mistakes(
    what: str, limit: asyncio.Timeout | None = None, *, timeout_s: float = 0.0
) -> Iterator[None]:
    """As `others_code`, around what awaits nothing, or has its `limit` already."""
    try:
        yield
    except IngestError:
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise PluginError(
            f"{what}: the reader was cancelled, and not by boss-ingest",
            hint="this is a mistake in the reader's code: it awaits something that it has cancelled",
        ) from error
    except Exception as error:
        if limit is not None and limit.expired():
            raise PluginError(
                f"{what}: the reader did not answer within {timeout_s:.0f} s",
                hint="does the file system or server it reads from answer? --read-timeout allows more time",
            ) from error
        raise PluginError(
            f"{what}: the reader failed with {last_line(error)}",
            hint="this is a mistake in the reader's code, or a source it was not made for",
        ) from error


def taken(found: Any, *kinds: type, name: str, due: str) -> tuple[Any, str]:
    """What a reader returned, and why it was made up ("" when it was read).

    Raises PluginError when it is none of these kinds; an array's mask would be lost.
    """
    source, made_up = (found.voxels, found.why) if isinstance(found, MadeUp) else (found, "")
    if not isinstance(source, kinds) or isinstance(source, np.ma.MaskedArray):
        raise PluginError(
            f"{name}: the reader returned a {type(source).__name__}, it returns {due}",
            hint="this is a mistake in the reader's code",
        )
    return source, made_up
