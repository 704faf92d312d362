"""Which HDF5 file a tile is in: by slice, by the voxels in its name, or always the same one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boss_ingest.plugins.files import Folder
from boss_ingest.plugins.hdf5_params import Hdf5ChunkPathParams, Hdf5SingleFilePathParams, Hdf5SlicePathParams
from boss_ingest.plugins.template import fill

if TYPE_CHECKING:
    from collections.abc import Mapping


class Names(ABC):
    """The files of one job, from the params of its path processor."""

    root_dir: str | None  # what the files must lie in; None when one was named
    links: Folder  # what other files must lie in that these lead to
    allow_outside_root: bool

    @abstractmethod
    def __init__(self, params: Mapping[str, Any], ingest_job: Mapping[str, Any]) -> None:
        """Raises ConfigError for params that cannot be."""

    @abstractmethod
    def path(self, x: int, y: int, z: int) -> str:
        """The file of a tile, as text; looks at no disk. Raises IndexError outside of the job."""

    def check(self, path: str) -> None:
        """See where the path ends up; blocks. Raises SourceError outside of the root."""
        if self.root_dir is not None:
            self.links.check(path)

    def _stay_in(self, root_dir: str, *, allow_outside_root: bool) -> None:
        self.root_dir = root_dir
        self.allow_outside_root = allow_outside_root
        self.links = Folder(root_dir, allow_outside=allow_outside_root)


class SliceNames(Names):
    """`root_dir/base_filename.extension`, a template of the slice (and of tile indices, if one likes)."""

    def __init__(self, params: Mapping[str, Any], ingest_job: Mapping[str, Any]) -> None:
        given = Hdf5SlicePathParams.read(params, section="client.path_processor")
        self._stay_in(given.root_dir, allow_outside_root=given.allow_outside_root)
        self._template = f"{given.base_filename}.{given.extension}"
        self._extent_z = ingest_job["extent"]["z"]

    def path(self, x: int, y: int, z: int) -> str:
        """One file for each slice of the job."""
        start, stop = self._extent_z
        if not start <= z < stop:
            raise IndexError(f"z is {z}, ingest_job.extent.z is [{start}, {stop}]")
        return self.links.join(fill(self._template, x=x, y=y, z=z))


class ChunkNames(Names):
    """`root_dir/prefix_x0-x1_y0-y1_z0-z1.extension`, in voxels: file number × size + offset on each axis."""

    def __init__(self, params: Mapping[str, Any], ingest_job: Mapping[str, Any]) -> None:
        self._given = given = Hdf5ChunkPathParams.read(params, section="client.path_processor")
        self._stay_in(given.root_dir, allow_outside_root=given.allow_outside_root)

    def path(self, x: int, y: int, z: int) -> str:
        """The file whose voxels are those of the tile."""
        given = self._given
        spans = [
            self._span(x, given.x_chunk_size, given.x_offset),
            self._span(y, given.y_chunk_size, given.y_offset),
            self._span(z // given.z_chunk_size, given.z_chunk_size, given.z_offset),
        ]
        return self.links.join(f"{'_'.join([given.prefix, *spans])}.{given.extension}")

    def _span(self, number: int, size: int, offset: int) -> str:
        start = number * size + offset
        return f"{start}-{start + size - (0 if self._given.use_python_convention else 1)}"


class SingleName(Names):
    """The file that was named; other files that it leads to must be in its folder."""

    def __init__(self, params: Mapping[str, Any], ingest_job: Mapping[str, Any]) -> None:
        given = Hdf5SingleFilePathParams.read(params, section="client.path_processor")
        self._path = given.filename
        self._stay_in(str(Path(self._path).parent), allow_outside_root=given.allow_outside_root)
        self.root_dir = None

    def path(self, x: int, y: int, z: int) -> str:
        """Always the same."""
        return self._path
