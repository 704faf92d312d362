"""A channel of another Boss as source, read through its cutout API, as tiles or as chunks.

Named after the library that the original client read it with; this one needs nothing but the Boss.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from boss_ingest.errors import SourceError
from boss_ingest.plugins.blocking import Blocking
from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.chunk import ZYX_ORDER, ChunkProcessor
from boss_ingest.plugins.intern_params import InternChunkParams, InternPathParams, InternTileParams
from boss_ingest.plugins.intern_readers import InternChunkReader, InternTileReader
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.reader import Box, MadeUp, Setup, TileIndex
from boss_ingest.plugins.tile import TileProcessor

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CLASSIC_CACHE_BYTES = 64 << 20


class InternPathProcessor(PathProcessor):
    """Names no file: there is none."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Keep the parameters."""
        self.parameters = parameters

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The empty path."""
        return ""


class InternTileProcessor(TileProcessor):
    """Reads one tile; see InternTileParams."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Look at the channel. Raises ConfigError, SourceError."""
        self.parameters = parameters
        self._reader = InternTileReader()
        self._blocking = Blocking(self, self._reader, _setup(parameters))

    def process(
        self, file_path: str, x_index: int, y_index: int, z_index: int, t_index: int | None = 0
    ) -> IO[bytes]:
        """The tile as TIFF of the channel's depth. Raises SourceError."""
        import numpy as np
        from PIL import Image

        index = TileIndex(x_index, y_index, z_index, t_index or 0)
        found = self._blocking.run(self._reader.read(index))
        pixels = found.voxels if isinstance(found, MadeUp) else found
        if pixels.dtype == np.uint64:
            if pixels.max() >= 1 << 31:
                raise SourceError(
                    f"{self._reader.locate(index)} has values up to {pixels.max()}, "
                    f"an image holds them up to {2**31 - 1}",
                    hint='ingest this data with "ingest_type": "volumetric"',
                )
            pixels = pixels.astype(np.int32)
        into = io.BytesIO()
        Image.fromarray(pixels).save(into, "TIFF")
        return into


class InternChunkProcessor(ChunkProcessor):
    """Reads one chunk; see InternChunkParams."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Look at the channel. Raises ConfigError, SourceError."""
        self.parameters = parameters
        job = parameters["ingest_job"]
        self._size_zyx = tuple(job["chunk_size"][axis] for axis in "zyx")
        self._extent_zyx = tuple(job["extent"][axis] for axis in "zyx")
        self._reader = InternChunkReader()
        self._blocking = Blocking(self, self._reader, _setup(parameters))

    def process(self, file_path: str, x_index: int, y_index: int, z_index: int) -> tuple[NDArray[Any], int]:
        """The voxels (zyx), clipped to the job's extent and to the channel. Raises SourceError."""
        index_zyx = z_index, y_index, x_index
        start, stop = [], []
        for at, size, (low, high) in zip(index_zyx, self._size_zyx, self._extent_zyx, strict=True):
            start.append(max(at * size, low))
            stop.append(min(start[-1] + size, high))
        box = self._reader.clip(Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2])))
        return self._blocking.run(self._reader.read(box)), ZYX_ORDER


def _setup(parameters: dict[str, Any]) -> Setup:
    job = parameters["ingest_job"]
    return Setup({}, parameters, job, Path(), cache_bytes=_CLASSIC_CACHE_BYTES)


LAYOUTS = (
    Layout(
        name="intern.InternTileProcessor",
        reads="a channel of another Boss, slice by slice",
        processor=InternTileProcessor,
        params=InternTileParams,
        path=InternPathProcessor,
        path_params=InternPathParams,
        reader=InternTileReader,
        example="intern.json",
    ),
    Layout(
        name="intern.InternChunkProcessor",
        reads="a channel of another Boss, as chunks",
        processor=InternChunkProcessor,
        params=InternChunkParams,
        path=InternPathProcessor,
        path_params=InternPathParams,
        reader=InternChunkReader,
        example="intern-chunks.json",
    ),
)
