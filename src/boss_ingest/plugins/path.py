"""Path processors: from the indices of a tile or chunk to the path of its source (classic contract).

User plugins import this as `ingestclient.plugins.path` (docs/protocol.md, "Plugins").
"""

from __future__ import annotations

import shutil
import tempfile
import weakref
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class PathProcessor(ABC):
    """Names the file, key or URL that a tile or chunk is read from.

    Made without arguments, set up once a worker process, then called for one task after the other.
    """

    parameters: dict[str, Any] | None = None

    @abstractmethod
    def setup(self, parameters: dict[str, Any]) -> None:
        """Take the `params` of client.path_processor, plus `ingest_job`: that part of the job file."""

    @abstractmethod
    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The path for one task; empty when the processor that reads needs none.

        Tile jobs: absolute tile indices x and y, absolute slice z, absolute sample t. Volumetric jobs:
        absolute chunk indices, t 0.
        """


class TestPathProcessor(PathProcessor):
    """Names one sample image of the job's tile size for every task; for trying things out."""

    __test__ = False  # not a test case, whatever its name says to pytest

    def setup(self, parameters: dict[str, Any]) -> None:
        """Write the sample: a diagonal gradient, 8-bit PNG, removed when the processor goes."""
        from PIL import Image

        self.parameters = parameters
        size = parameters["ingest_job"]["tile_size"]
        folder = tempfile.mkdtemp(prefix="boss-ingest-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._sample = Path(folder, "sample.png")
        Image.linear_gradient("L").rotate(45).resize((size["x"], size["y"])).save(self._sample)

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The sample's path, whatever the indices."""
        return str(self._sample)


class TestPassThroughPathProcessor(PathProcessor):
    """Names no file at all, for a tile processor that makes up its images."""

    __test__ = False

    def setup(self, parameters: dict[str, Any]) -> None:
        """Keep the parameters."""
        self.parameters = parameters

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The empty path."""
        return ""
