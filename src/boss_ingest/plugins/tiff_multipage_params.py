"""The params of multipage_tiff: which file has a slice or a time sample, and which of its pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from boss_ingest.errors import MissingSourceError, SourceError
from boss_ingest.plugins.files import Folder
from boss_ingest.plugins.params import Params, TileParams
from boss_ingest.plugins.template import fill

if TYPE_CHECKING:
    from collections.abc import Mapping

    from boss_ingest.plugins.tile_grid import TileGrid

PATH, TILE = "client.path_processor", "client.tile_processor"
_SLICE = re.compile(r"z_\d+")


class SingleTimePathParams(Params):
    """The file of each slice: `"z_0": "first.tif"`, `"z_1": "second.tif"` and so on."""

    model_config = ConfigDict(extra="allow")

    root_dir: str | None = Field(
        None, description="the folder all files are in; without it each is named in full"
    )
    allow_outside_root: bool = Field(False, description="also read files that links or .. lead to")

    @property
    def files(self) -> Mapping[str, str]:
        """The names, by z_<slice>."""
        return self.model_extra or {}

    @model_validator(mode="after")
    def _only_slices(self) -> Self:
        for name, file in self.files.items():
            if not _SLICE.fullmatch(name):
                raise ValueError(
                    f"{name} is no param of this plugin: there are z_0, z_1 …, {', '.join(self.names())}"
                )
            if not isinstance(file, str):
                raise ValueError(f"{name} must be a text in quotes")  # noqa: TRY004 - pydantic's way
        return self


class SingleTimeTileParams(TileParams):
    """How the pages are read."""

    datatype: Literal["uint8", "uint16"] = Field("uint16", description="of the pixels")
    filetype: str = Field("", description="not used any more")


class HyperStackPathParams(Params):
    """Where the files are and how they are named: the template's number is that of the file, 0 the first."""

    root_dir: str = Field(description="the folder all files are in")
    base_filename: str = Field(description="a template, such as my_base_<o:200p:4>")
    extension: str = Field(description="of the files, without the dot")
    time_chunk_size: int = Field(ge=1, description="how many time samples are in a file")
    allow_outside_root: bool = Field(False, description="also read files that links or .. lead to")


class HyperStackTileParams(TileParams):
    """How the pages follow each other in a file: channels first, then slices, then time samples."""

    time_chunk_size: int = Field(ge=1, description="how many time samples are in a file")
    num_z_slices: int = Field(ge=1, description="how many slices a time sample has")
    num_channels: int = Field(ge=1, description="how many channels a slice has")
    channel_index: int = Field(ge=0, description="which of them, 0 the first")
    filesystem: Literal["local", "s3"] = Field("local", description="where the files are")
    bucket: str = Field("", description="the S3 bucket; root_dir is a prefix of its keys")
    temp_dir: str | None = Field(None, description="where copies of S3 objects are kept for a while")

    @model_validator(mode="after")
    def _channel_is_there(self) -> Self:
        if self.channel_index >= self.num_channels:
            raise ValueError(
                f"channel_index is {self.channel_index}, of {self.num_channels} channels from 0 on"
            )
        return self

    def page(self, z: int, t: int) -> int:
        """The page of a file that has slice z of sample t. Raises SourceError."""
        if not 0 <= z < self.num_z_slices:
            raise SourceError(f"z is {z}, there are {self.num_z_slices} slices", hint="correct num_z_slices")
        within = t % self.time_chunk_size
        return (within * self.num_z_slices + z) * self.num_channels + self.channel_index


class SliceFiles:
    """The files that SingleTimePathParams name. Raises ConfigError for params that cannot be."""

    def __init__(self, params: Mapping[str, Any], grid: TileGrid) -> None:
        self.given = SingleTimePathParams.read(params, section=PATH)
        self._grid = grid
        root = self.given.root_dir
        self.folder = None if root is None else Folder(root, allow_outside=self.given.allow_outside_root)

    def path(self, x: int, y: int, z: int, t: int | None) -> str:
        """Raises IndexError outside of the job, MissingSourceError for a slice that no file is named for."""
        self._grid.check(x=x, y=y, z=z, t=t)
        name = self.given.files.get(f"z_{z}")
        if not name:
            raise MissingSourceError(
                f"{PATH}.params names no file for the slice z {z}", hint=f'add "z_{z}": "the file\'s name"'
            )
        return name if self.folder is None else self.folder.join(name)


def hyperstack_file(given: HyperStackPathParams, x: int, y: int, t: int) -> str:
    """The file that has the time sample t."""
    name = fill(f"{given.base_filename}.{given.extension}", x=x, y=y, z=t // given.time_chunk_size)
    return Folder(given.root_dir).join(name)
