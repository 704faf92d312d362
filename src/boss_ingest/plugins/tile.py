"""Tile processors: from a path and indices to one encoded image (classic contract).

User plugins import this as `ingestclient.plugins.tile` (docs/protocol.md, "Plugins").
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, Any

from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.params import TileParams
from boss_ingest.plugins.path import TestPassThroughPathProcessor, TestPathProcessor


class TileProcessor(ABC):
    """Reads one tile. Made without arguments, set up once a worker process, called task after task."""

    parameters: dict[str, Any] | None = None

    @abstractmethod
    def setup(self, parameters: dict[str, Any]) -> None:
        """Take the `params` of client.tile_processor, plus `ingest_job`: that part of the job file."""

    @abstractmethod
    def process(
        self, file_path: str, x_index: int, y_index: int, z_index: int, t_index: int | None = 0
    ) -> IO[bytes]:
        """A fresh binary handle with one encoded 2-D grey image; it is read from its start, and closed."""


class TestTileProcessor(TileProcessor):
    """Opens the path as it is; for trying things out."""

    __test__ = False  # not a test case, whatever its name says to pytest

    def setup(self, parameters: dict[str, Any]) -> None:
        """Keep the parameters."""
        self.parameters = parameters

    def process(
        self,
        file_path: str,
        x_index: int,
        y_index: int,
        z_index: int,
        t_index: int | None = 0,
    ) -> IO[bytes]:
        """The open file."""
        return Path(file_path).open("rb")


class TestRandomTileProcessor(TileProcessor):
    """Makes up tiles of noise: 8-bit TIFF, values 1 to 253, the same for the same indices; for load tests."""

    __test__ = False

    def setup(self, parameters: dict[str, Any]) -> None:
        """Keep the parameters."""
        self.parameters = parameters
        size = parameters["ingest_job"]["tile_size"]
        self._shape_yx = (size["y"], size["x"])

    def process(
        self,
        file_path: str,
        x_index: int,
        y_index: int,
        z_index: int,
        t_index: int | None = 0,
    ) -> IO[bytes]:
        """One tile of noise, shape (tile y, tile x)."""
        import numpy as np
        from PIL import Image

        noise = np.random.default_rng((x_index, y_index, z_index, t_index or 0))
        into = io.BytesIO()
        Image.fromarray(noise.integers(1, 254, self._shape_yx, dtype=np.uint8)).save(into, "TIFF")
        return into


LAYOUTS = (
    Layout(
        name="tile.TestTileProcessor",
        reads="whatever image file its path processor names; for trying things out",
        processor=TestTileProcessor,
        params=TileParams,
        path=TestPathProcessor,
    ),
    Layout(
        name="tile.TestRandomTileProcessor",
        reads="nothing: makes up tiles of noise, for load tests",
        processor=TestRandomTileProcessor,
        params=TileParams,
        path=TestPassThroughPathProcessor,
    ),
)
