"""Chunk processors: from a path and chunk indices to an array of voxels (classic contract).

User plugins import this as `ingestclient.plugins.chunk` (docs/protocol.md, "Plugins").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

XYZ_ORDER = 0
ZYX_ORDER = 1
XYZT_ORDER = 2
TZYX_ORDER = 3
"""What the axes of a chunk processor's array are; t, or the channel in its place, must be of length 1."""


class ChunkProcessor(ABC):
    """Reads one chunk. Made without arguments, set up once a worker process, called task after task."""

    parameters: dict[str, Any] | None = None

    @abstractmethod
    def setup(self, parameters: dict[str, Any]) -> None:
        """Take the `params` of client.chunk_processor, plus `ingest_job`: that part of the job file."""

    @abstractmethod
    def process(self, file_path: str, x_index: int, y_index: int, z_index: int) -> tuple[NDArray[Any], int]:
        """The voxels of the chunk at absolute chunk indices, and the order of their axes.

        The chunk begins at index × chunk_size on each axis, and is clipped to where the source ends.
        """
