"""Readers: where data comes from, asynchronously. The contract for new plugins.

A reader lives in the main process, serves many reads at once, and must not block the event loop: what
blocks goes through `asyncio.to_thread`. It hands out what it finds as it finds it; whether that fits the
job is judged after it. Plugins of the classic contract (path.py, tile.py, chunk.py) run in worker processes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TileIndex:
    """One tile: absolute tile indices x and y, absolute slice z, absolute time sample t."""

    x: int
    y: int
    z: int
    t: int


@dataclass(frozen=True, slots=True)
class Box:
    """A box of voxels, half open, in absolute coordinates, inside the job's extent."""

    start_zyx: tuple[int, int, int]
    stop_zyx: tuple[int, int, int]

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """Its size in voxels."""
        z, y, x = (stop - start for start, stop in zip(self.start_zyx, self.stop_zyx, strict=True))
        return z, y, x


@dataclass(frozen=True, slots=True)
class Setup:
    """What a plugin is told: the `params` of the job file, and `ingest_job` as it is written there.

    Relative paths are relative to the working directory; `job_dir`, where the job file lies, is for messages.
    """

    path_params: Mapping[str, Any]
    params: Mapping[str, Any]
    ingest_job: Mapping[str, Any]
    job_dir: Path
    cache_bytes: int = 256 << 20  # what a reader may keep of decoded blocks and open files


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before it is read: numpy's name of its type, its shape, and where it is."""

    dtype: str | None
    shape_zyx: tuple[int, int, int] | None
    where: str


@dataclass(frozen=True, slots=True)
class MadeUp:
    """A tile (yx) or box (zyx) of which some or all was not read: zeros that the job file asks for.

    Returned in place of the array; `why` is counted and reported.
    """

    voxels: NDArray[Any]
    why: str


class TileReader(ABC):
    """Reads tiles. `open` once, then any number of reads at the same time, then `close`."""

    @abstractmethod
    async def open(self, setup: Setup) -> None:
        """Get ready. Raises ConfigError for wrong params, SourceError for a source that isn't there."""

    @abstractmethod
    async def read(self, index: TileIndex) -> bytes | NDArray[Any] | MadeUp:
        """One image file as it is, or an array (yx). Raises SourceError naming the file.

        A MissingSourceError where there is nothing to read: the job file may allow for that.
        """

    @abstractmethod
    async def describe(self) -> SourceInfo:
        """What can be told without reading voxels. Raises SourceError."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything; safe to repeat, and after an `open` that failed."""

    @abstractmethod
    def locate(self, index: TileIndex) -> str:
        """What a person calls this tile's source, mostly a path; looks at no disk. Raises SourceError."""


class ChunkReader(ABC):
    """Reads boxes of voxels. `open` once, then any number of reads at the same time, then `close`."""

    @abstractmethod
    async def open(self, setup: Setup) -> None:
        """Get ready. Raises ConfigError for wrong params, SourceError for a source that isn't there."""

    @abstractmethod
    async def read(self, box: Box) -> NDArray[Any] | MadeUp:
        """An array (zyx) of just the box's shape. Raises SourceError, also when the box leaves the source.

        It is stored from where it lies: who returned it writes to it no more.

        A MissingSourceError where there is nothing to read: the job file may allow for that.
        """

    @abstractmethod
    async def describe(self) -> SourceInfo:
        """What can be told without reading voxels. Raises SourceError."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of everything; safe to repeat, and after an `open` that failed."""

    @abstractmethod
    def locate(self, box: Box) -> str:
        """What a person calls the source of this box."""

    def reads_apart(self, parts: Sequence[Box]) -> bool:
        """Whether reading these parts of a box, at the same time, costs no more than reading the box.

        Then they are read so, and need not be cut any more. The box counts as missing when each of them does.
        """
        return False
