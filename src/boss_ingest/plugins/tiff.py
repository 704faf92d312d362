"""Volumes in one TIFF file, as tiles or as chunks: multi-page, BigTIFF, OME-TIFF, ImageJ; tiled, compressed.

A tile or a chunk reads and decodes just the tiles and strips of the file that it touches, each of them once
for all the tasks that share it. With tifffile and imagecodecs (`boss-ingest[tiff]`).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from boss_ingest.errors import ConfigError, IngestError, MissingSourceError, Problem, SourceError
from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.files import READ_TIMEOUT_S, ChangedSourceError, was_there
from boss_ingest.plugins.params import ChunkParams, Params, TileParams
from boss_ingest.plugins.read_threads import read_in_thread
from boss_ingest.plugins.reader import Box, ChunkReader, Setup, SourceInfo, TileIndex, TileReader
from boss_ingest.plugins.tiff_files import TiffFiles
from boss_ingest.plugins.tiff_planes import Planes
from boss_ingest.plugins.tiff_volume import Choice, Volume
from boss_ingest.plugins.tile_grid import TileGrid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_LEAST_BLOCK_BYTES = 64 << 20
_SIDE_BY_SIDE = 8  # slices of one chunk, read at the same time


class _VolumeParams(Params):
    """Which volume of which file."""

    filename: str = Field(description="the file")
    series: int = Field(0, ge=0, description="which of the images in the file, 0 the first")
    axes: str | None = Field(
        None, min_length=2, description='what its axes are, such as "ZCYX"; without it, what the file says'
    )
    index: dict[str, int] = Field(
        {}, description='which one on the other axes, such as {"c": 1}; a tile job counts on t itself'
    )
    empty_blocks: Literal["error", "fill"] = Field(
        "error", description='"fill": tiles and strips that were never written hold zeros'
    )


class TiffTileParams(_VolumeParams, TileParams):
    """Which volume of which file, read as tiles."""


class TiffVolumeParams(_VolumeParams, ChunkParams):
    """Which volume of which file, read as chunks."""


class _Source:
    """The volume and its planes; what the two readers have in common."""

    def __init__(self, setup: Setup, given: _VolumeParams, *, section: str, task_voxels: int) -> None:
        self.path = given.filename
        index = {axis.upper(): at for axis, at in given.index.items()}
        self.choice = Choice(given.filename, given.series, given.axes, index, section)
        self._files = TiffFiles()
        most = max(_LEAST_BLOCK_BYTES + 16 * task_voxels, setup.cache_bytes)
        self.planes = Planes(
            self._files, most_block_bytes=most, cache_bytes=setup.cache_bytes, empty=given.empty_blocks
        )

    async def volume(self, *, by_job: str = "") -> Volume:
        """What the file holds. Raises SourceError, ConfigError."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return await read_in_thread(self._volume, by_job)
        except TimeoutError as error:
            hint = "is the disk or its server overloaded?"
            raise SourceError(
                f"{self.path} could not be opened within {READ_TIMEOUT_S:g} s", hint=hint
            ) from error
        except MissingSourceError as error:
            hint = f"correct {self.choice.section}.params.filename; it counts from {Path.cwd()}"
            raise MissingSourceError(error.what, hint=hint) from error

    async def again(self, volume: Volume, *, by_job: str = "") -> Volume:
        """The volume of a file that has changed, for the next try; the same while it can't be read."""
        with suppress(IngestError):
            volume = await self.volume(by_job=by_job)
        return volume

    def _volume(self, by_job: str) -> Volume:
        with self._files.use(self.path) as file:
            volume = Volume.of(file, self.choice)
        volume.open_axes(self.choice, by_job=by_job)
        return volume


class TiffTileReader(TileReader):
    """Reads tiles of a volume in a TIFF file; see TiffTileParams. An axis T is the job's t."""

    _source: _Source | None = None

    async def open(self, setup: Setup) -> None:
        """Look at the file's pages. Raises ConfigError, SourceError."""
        section = "client.tile_processor"
        given = TiffTileParams.read(setup.params, section=section)
        self._grid = TileGrid(setup.ingest_job)
        rows, columns = self._grid.size_yx
        self._source = _Source(setup, given, section=section, task_voxels=rows * columns)
        self._volume = await self._source.volume(by_job="T")
        self._t_is_chosen = "T" in self._source.choice.index
        if self._t_is_chosen and list(setup.ingest_job["extent"]["t"]) != [0, 1]:
            fix = "leave t out of it: the job's t is the file's"
            problem = Problem(f"{section}.params.index", repr(given.index), "the job has an extent in t", fix)
            raise ConfigError(f"{given.filename} cannot be read as the job file says", problems=(problem,))

    async def read(self, index: TileIndex) -> NDArray[Any]:
        """The pixels (yx) inside the extent, less where the image ends before. Raises SourceError."""
        assert self._source is not None
        try:
            self._grid.check(x=index.x, y=index.y, z=index.z, t=index.t)
        except IndexError as error:
            raise SourceError(f"{index} is no tile of this job: {error}") from error
        plane = self._volume.plane(index.z, None if self._t_is_chosen else index.t)
        try:
            with was_there():
                return await self._source.planes.window(plane, *self._grid.inside(index.x, index.y))
        except ChangedSourceError:
            self._volume = await self._source.again(self._volume, by_job="T")
            raise

    async def describe(self) -> SourceInfo:
        """Type and shape, from the file's tables."""
        return SourceInfo(self._volume.dtype, self._volume.shape_zyx, self._volume.path)

    async def close(self) -> None:
        """Let go of the files and what was decoded."""
        if self._source is not None:
            await self._source.planes.close()

    def locate(self, index: TileIndex) -> str:
        """The file, and the slice in it."""
        t = f"t {index.t}, " if self._volume.sizes.get("T", 1) > 1 else ""
        return f"{self._volume.path}[{t}z {index.z}, tile y {index.y}, x {index.x}]"


class TiffVolumeReader(ChunkReader):
    """Reads boxes of a volume in a TIFF file; see TiffVolumeParams."""

    _source: _Source | None = None

    async def open(self, setup: Setup) -> None:
        """Look at the file's pages. Raises ConfigError, SourceError."""
        section = "client.chunk_processor"
        given = TiffVolumeParams.read(setup.params, section=section)
        size = setup.ingest_job["chunk_size"]
        self._source = _Source(setup, given, section=section, task_voxels=size["x"] * size["y"] * size["z"])
        self._volume = await self._source.volume()

    async def read(self, box: Box) -> NDArray[Any]:
        """The voxels (zyx). Raises SourceError, also when the box leaves the volume.

        A MissingSourceError when the file has none of its slices: the others must not be lost.
        """
        import numpy as np

        assert self._source is not None
        planes = self._source.planes
        spans = list(zip(box.start_zyx, box.stop_zyx, self._volume.shape_zyx, strict=True))
        if not all(0 <= low < high <= end for low, high, end in spans):
            z, y, x = self._volume.shape_zyx
            raise SourceError(
                f"{self._volume.path} has {z} × {y} × {x} voxels (z × y × x), "
                f"the job asks for {box.start_zyx} to {box.stop_zyx}",
                hint="correct ingest_job.extent",
            )
        depths, rows, columns = (range(low, high) for low, high, _ in spans)
        self._check_pages(depths)
        into = np.empty(box.shape_zyx, self._volume.dtype)
        try:
            async with asyncio.TaskGroup() as reading:
                for part in _runs(depths, _SIDE_BY_SIDE):
                    of_it = into[part.start - depths.start :]
                    reading.create_task(self._slices(planes, part, rows, columns, of_it))
        except* ChangedSourceError as errors:
            failed: ExceptionGroup[Exception] = errors
            self._volume = await self._source.again(self._volume)
        except* IngestError as errors:
            failed = errors
        else:
            return into
        raise failed.exceptions[0]

    async def _slices(
        self, planes: Planes, depths: range, rows: range, columns: range, into: NDArray[Any]
    ) -> None:
        for at, z in enumerate(depths):
            with was_there():
                await planes.window(self._volume.plane(z), rows, columns, into=into[at])

    def _check_pages(self, depths: range) -> None:
        gone: list[MissingSourceError] = []
        for z in depths:
            try:
                self._volume.plane(z)
            except MissingSourceError as error:
                gone.append(error)
        if len(gone) == len(depths):
            raise gone[0]
        if gone:
            raise SourceError(
                f"{gone[0].what}; {len(gone)} of the {len(depths)} slices of this chunk are not there",
                hint="save the file with all of its pages: a chunk can only be missing as a whole",
            )

    async def describe(self) -> SourceInfo:
        """Type and shape, from the file's tables."""
        return SourceInfo(self._volume.dtype, self._volume.shape_zyx, self._volume.path)

    async def close(self) -> None:
        """Let go of the files and what was decoded."""
        if self._source is not None:
            await self._source.planes.close()

    def locate(self, box: Box) -> str:
        """The file and the box."""
        z, y, x = (f"{low}:{high}" for low, high in zip(box.start_zyx, box.stop_zyx, strict=True))
        return f"{self._volume.path}[z {z}, y {y}, x {x}]"


def _runs(span: range, count: int) -> Iterator[range]:
    """The span in at most `count` runs, to be read side by side."""
    length = -(-len(span) // count)
    for start in range(span.start, span.stop, length):
        yield range(start, min(start + length, span.stop))


LAYOUTS = (
    Layout(
        name="tiff.TiffVolumeReader",
        reads="a volume in a TIFF file (multi-page, BigTIFF, OME-TIFF, ImageJ; tiled, compressed), as chunks",
        processor=TiffVolumeReader,
        params=TiffVolumeParams,
        extra="tiff",
        example="tiff-volume.json",
    ),
    Layout(
        name="tiff.TiffTileReader",
        reads="the same as tiles, also of several time samples",
        processor=TiffTileReader,
        params=TiffTileParams,
        extra="tiff",
        example="tiff-tiles.json",
    ),
)
