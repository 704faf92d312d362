"""Volumes through the library a layout was named for (zarr, cloud-volume), where tensorstore can't or shan't.

Their calls block, and not all may be made from many threads: one at a time, in a thread.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from boss_ingest.errors import IngestError, MissingSourceError, SourceAwayError, SourceError
from boss_ingest.plugins.array_presence import check_still_there
from boss_ingest.plugins.array_volume import READ_TIMEOUT_S, check_inside, place

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from boss_ingest.plugins.reader import Box

T = TypeVar("T")

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class LibraryVolume:
    """A volume that `cut` reads, which blocks and may raise anything."""

    where: str
    dtype: str
    start_zyx: tuple[int, int, int]
    stop_zyx: tuple[int, int, int]
    cut: Callable[[Box], NDArray[Any]]
    bounded: bool = True  # whether nothing can be read outside
    metadata: Path | None = None  # the file that describes it, where it lies on a local disk
    forget: Callable[[], object] = lambda: None  # called when it was gone: what was not there may come back
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read(self, box: Box) -> NDArray[Any]:
        """The voxels (zyx). Raises SourceError, MissingSourceError."""
        if self.bounded:
            check_inside(self, box)
        where = place(self.where, box)
        try:
            async with asyncio.timeout(READ_TIMEOUT_S), self._one_at_a_time:
                try:
                    found = await asyncio.to_thread(self.cut, box)
                except MissingSourceError:
                    await self._check_still_there(where)
                    raise
                await self._check_still_there(where)
                return found
        except IngestError:
            raise
        except TimeoutError as error:
            raise SourceError(f"{where} did not answer in time") from error
        except Exception as error:
            raise SourceError(f"{where} cannot be read: {words(error)}") from error

    def reads_apart(self, parts: Sequence[Box]) -> bool:
        """No: reads wait for each other."""
        return False

    async def _check_still_there(self, where: str) -> None:
        try:
            await check_still_there(self.metadata, where)
        except SourceAwayError:
            self.forget()
            raise

    async def close(self) -> None:
        """There is nothing to let go of."""


def words(error: BaseException) -> str:
    """The error in a line without colours."""
    text = _COLOURS.sub("", str(error)).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}"


def now(ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Its result, for the classic processors; in its own thread, as the caller's may have an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(ask())).result()
