"""Stacks of images, one file a slice or a tile: `root_dir/base_filename.extension`, a template.

Two faces of the same thing: the classic classes, to subclass or to pair with one's own, and StackReader,
which takes their place when a job file names both as they are.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from boss_ingest.errors import SourceError
from boss_ingest.plugins.files import Folder
from boss_ingest.plugins.params import Params
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.reader import Setup, SourceInfo, Substituted, TileIndex, TileReader
from boss_ingest.plugins.template import fill
from boss_ingest.plugins.tile import TileProcessor

if TYPE_CHECKING:
    from collections.abc import Mapping

_DTYPES = {"1": "uint8", "L": "uint8", "P": "uint8", "I;16": "uint16", "I;16B": "uint16", "I": "int32"}


class ZindexStackPathProcessor(PathProcessor):
    """Names a file by its slice. Params: root_dir, base_filename, extension, allow_outside_root (false)."""

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
    """Opens that file. Params: filesystem ("local"), fail_gracefully (false), extension (not used any more).

    The file is handed on as it is, whatever its size or format. With fail_gracefully, a file that
    cannot be opened is replaced by zeros of the tile's shape, marked as such: see Substituted.
    """

    def setup(self, parameters: dict[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""
        self.parameters = parameters
        self._missing = _Missing(parameters, parameters["ingest_job"])

    def process(
        self, file_path: str, x_index: int, y_index: int, z_index: int, t_index: int | None = 0  # noqa: ARG002
    ) -> IO[bytes]:
        """The open file. Raises OSError."""
        try:
            return Path(file_path).open("rb")
        except OSError as error:
            if not self._missing.substitute:
                raise
            return SubstitutedHandle(self._missing.zeros(f"{file_path}: {error.strerror}"))


class SubstitutedHandle(io.BytesIO):
    """An open Substituted: what a classic processor returns in place of a file that isn't there."""

    def __init__(self, image: Substituted) -> None:
        super().__init__(image)
        self.why = image.why


class StackReader(TileReader):
    """Reads the files of a stack as they are, off the event loop."""

    async def open(self, setup: Setup) -> None:
        """Check the params; looks at no file. Raises ConfigError."""
        self._names = _Names(setup.path_params, setup.ingest_job)
        self._missing = _Missing(setup.params, setup.ingest_job)
        size = setup.ingest_job["tile_size"]
        self._most_bytes = (64 << 20) + 32 * size["x"] * size["y"]

    async def read(self, index: TileIndex) -> bytes:
        """The bytes of the file, or Substituted. Raises SourceError."""
        path = self.locate(index)
        try:
            return await self._names.folder.read(path, most_bytes=self._most_bytes)
        except SourceError as error:
            if self._missing.substitute and isinstance(error.__cause__, OSError):
                return self._missing.zeros(error.what)
            raise

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
        from PIL import Image  # noqa: PLC0415 - only a description needs it

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
        given = Params(params, section="client.path_processor")
        outside = given.flag("allow_outside_root")
        self.folder = Folder(given.text("root_dir"), allow_outside=outside)
        self._template = f"{given.text('base_filename')}.{given.text('extension')}"
        if not outside and (Path(self._template).is_absolute() or ".." in Path(self._template).parts):
            given.refuse(
                "base_filename", "must stay inside root_dir", 'or set "allow_outside_root": true beside it'
            )
        given.check()
        start, stop = ingest_job["extent"]["z"]
        self.extent_z: tuple[int, int] = (start, stop)

    def path(self, x: int, y: int, z: int, t: int | None) -> str:
        start, stop = self.extent_z
        if t != 0:
            raise IndexError(f"t is {t}, a stack has the one time sample 0")
        if not start <= z < stop:
            raise IndexError(f"z is {z}, ingest_job.extent.z is [{start}, {stop}]")
        return self.folder.join(fill(self._template, x=x, y=y, z=z))


class _Missing:
    """What becomes of files that cannot be read."""

    def __init__(self, params: Mapping[str, Any], ingest_job: Mapping[str, Any]) -> None:
        given = Params(params, section="client.tile_processor")
        given.one_of("filesystem", ("local",), later=("s3", "s3_copy"))
        self.substitute = given.flag("fail_gracefully")
        given.check()
        self._size_xy = ingest_job["tile_size"]["x"], ingest_job["tile_size"]["y"]

    def zeros(self, why: str) -> Substituted:
        from PIL import Image  # noqa: PLC0415 - only a substitution needs it

        into = io.BytesIO()
        Image.new("L", self._size_xy).save(into, "PNG")
        return Substituted(into.getvalue(), why)
