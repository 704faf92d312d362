"""Stacks of images, one file a slice or a tile: `root_dir/base_filename.extension`, a template.

Two faces of the same thing: the classic classes, to subclass or to pair with one's own, and StackReader,
which takes their place when a job file names both as they are.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from boss_ingest.errors import SourceError
from boss_ingest.plugins.catalogue import Layout
from boss_ingest.plugins.files import Folder
from boss_ingest.plugins.params import Params, TileParams
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.reader import Setup, SourceInfo, TileIndex, TileReader
from boss_ingest.plugins.template import fill
from boss_ingest.plugins.tile import TileProcessor

if TYPE_CHECKING:
    from collections.abc import Mapping

_DTYPES = {"1": "uint8", "L": "uint8", "P": "uint8", "I;16": "uint16", "I;16B": "uint16", "I": "int32"}


class StackPathParams(Params):
    """Where the files are and how they are named."""

    root_dir: str = Field(description="the folder all files are in")
    base_filename: str = Field(description="a template, such as section<p:4>_y<y>_x<x>")
    extension: str = Field(description="of the files, without the dot")
    allow_outside_root: bool = Field(False, description="also read files that links or .. lead to")

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        name = Path(f"{self.base_filename}.{self.extension}")
        if not self.allow_outside_root and (name.is_absolute() or ".." in name.parts):
            raise ValueError('base_filename must stay inside root_dir, or "allow_outside_root" be true')
        return self


class StackTileParams(TileParams):
    """How the files are read."""

    extension: str = Field("", description="not used any more: files are recognised by what is in them")
    filesystem: Literal["local"] = Field("local", description="where the files are")
    fail_gracefully: bool = Field(False, description='the same as "missing": "zeros"')


class ZindexStackPathProcessor(PathProcessor):
    """Names a file by its slice: see StackPathParams."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        self._names = _Names(parameters, parameters["ingest_job"])

    def process(self, x_index: int, y_index: int, z_index: int, t_index: int | None = None) -> str:
        """The tile's file. Raises IndexError outside of the job, SourceError outside of root_dir."""
        path = self._names.path(x_index, y_index, z_index, t_index)
        self._names.folder.check(path)
        return path


class ZindexStackTileProcessor(TileProcessor):
    """Opens that file, and hands it on as it is, whatever its size or format: see StackTileParams."""

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        StackTileParams.read(parameters, section="client.tile_processor")

    def process(
        self,
        file_path: str,
        x_index: int,
        y_index: int,
        z_index: int,
        t_index: int | None = 0,
    ) -> IO[bytes]:
        """The open file. Raises OSError."""
        return Path(file_path).open("rb")


class StackReader(TileReader):
    """Reads the files of a stack as they are, off the event loop."""

    async def open(self, setup: Setup) -> None:
        """Check the params; looks at no file. Raises ConfigError."""
        self._names = _Names(setup.path_params, setup.ingest_job)
        StackTileParams.read(setup.params, section="client.tile_processor")
        size = setup.ingest_job["tile_size"]
        self._most_bytes = (64 << 20) + 32 * size["x"] * size["y"]

    async def read(self, index: TileIndex) -> bytes:
        """The bytes of the file. Raises SourceError, MissingSourceError."""
        return await self._names.folder.read(self.locate(index), most_bytes=self._most_bytes)

    def locate(self, index: TileIndex) -> str:
        """The path of the file. Raises SourceError for an index outside of the job."""
        try:
            return self._names.path(index.x, index.y, index.z, index.t)
        except IndexError as error:
            raise SourceError(f"{index} has no file: {error}") from error

    async def describe(self) -> SourceInfo:
        """The type of the first slice's pixels. Raises SourceError when it can't be read."""
        z_start, _ = self._names.extent_z
        path = self.locate(TileIndex(0, 0, z_start, 0))
        body = await self._names.folder.read(path, most_bytes=self._most_bytes)
        from PIL import Image

        try:
            with Image.open(io.BytesIO(body)) as image:
                dtype = _DTYPES.get(image.mode)
        except (OSError, Image.DecompressionBombError) as error:
            raise SourceError(f"{path} is not an image that can be read") from error
        return SourceInfo(dtype=dtype, shape_zyx=None, where=path)

    async def close(self) -> None:
        """There is nothing to let go of."""


class _Names:
    def __init__(self, params: Mapping[str, Any], ingest_job: Mapping[str, Any]) -> None:
        given = StackPathParams.read(params, section="client.path_processor")
        self.folder = Folder(given.root_dir, allow_outside=given.allow_outside_root)
        self._template = f"{given.base_filename}.{given.extension}"
        start, stop = ingest_job["extent"]["z"]
        self.extent_z: tuple[int, int] = (start, stop)

    def path(self, x: int, y: int, z: int, t: int | None) -> str:
        start, stop = self.extent_z
        if t != 0:
            raise IndexError(f"t is {t}, a stack has the one time sample 0")
        if not start <= z < stop:
            raise IndexError(f"z is {z}, ingest_job.extent.z is [{start}, {stop}]")
        return self.folder.join(fill(self._template, x=x, y=y, z=z))


LAYOUTS = (
    Layout(
        name="stack.ZindexStackTileProcessor",
        reads="a folder of images, one file a slice or one a tile: PNG, TIFF, JPEG",
        processor=ZindexStackTileProcessor,
        params=StackTileParams,
        path=ZindexStackPathProcessor,
        path_params=StackPathParams,
        reader=StackReader,
        example="stack.json",
    ),
)
