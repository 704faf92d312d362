"""The params of the HDF5 layouts: where the files are, which dataset is read, and how its axes lie."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from boss_ingest.plugins.params import Params, TileParams


class Hdf5PathParams(Params):
    """What all of them take."""

    allow_outside_root: bool = Field(
        False, description="also read files that links (on the disk or inside of HDF5) or .. lead to"
    )


class Hdf5FolderParams(Hdf5PathParams):
    """Files in one folder."""

    root_dir: str = Field(description="the folder all files are in; on S3 what their keys begin with")
    extension: str = Field(description="of the files, without the dot")

    def stay_inside(self, name: str, field: str) -> None:
        """Raises ValueError when a name of that beginning leads out of root_dir."""
        path = Path(f"{name}.{self.extension}")
        if not self.allow_outside_root and (path.is_absolute() or ".." in path.parts):
            raise ValueError(f'{field} must stay inside root_dir, or "allow_outside_root" be true')


class Hdf5SlicePathParams(Hdf5FolderParams):
    """One file a slice."""

    base_filename: str = Field(description="a template of the slice, such as section<o:1p:4>")

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        self.stay_inside(self.base_filename, "base_filename")
        return self


class Hdf5ChunkPathParams(Hdf5FolderParams):
    """One file a block of voxels, named prefix_x0-x1_y0-y1_z0-z1.extension."""

    prefix: str = Field(description="what all names begin with")
    x_chunk_size: int = Field(gt=0, description="voxels of a file along x")
    y_chunk_size: int = Field(gt=0, description="voxels of a file along y")
    z_chunk_size: int = Field(gt=0, description="slices of a file")
    x_offset: int = Field(0, description="added to x in the names")
    y_offset: int = Field(0, description="added to y in the names")
    z_offset: int = Field(0, description="added to z in the names")
    use_python_convention: bool = Field(True, description="x1, y1, z1 are one past the last voxel")

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        self.stay_inside(self.prefix, "prefix")
        return self


class Hdf5SingleFilePathParams(Hdf5PathParams):
    """One file."""

    filename: str = Field(description="the file; on S3 its key")


class Hdf5Where(Params):
    """Where the files are; on S3, they are read through temporary copies."""

    filesystem: Literal["local", "s3"] = Field("local", description="where the files are")
    bucket: str = Field("", description="on S3: the bucket")
    endpoint_url: str = Field(
        "", description="of an S3 server that is not Amazon's: https://host, http://host:port"
    )
    temp_dir: str | None = Field(None, description="where temporary copies go")

    @model_validator(mode="after")
    def _reaches_s3(self) -> Self:
        if self.filesystem == "s3" and not self.bucket:
            raise ValueError('"filesystem": "s3" takes a bucket')
        if self.endpoint_url and not self.endpoint_url.startswith(("http://", "https://")):
            raise ValueError("endpoint_url must begin with http:// or https://")
        return self


class Hdf5TileParams(Hdf5Where, TileParams):
    """What all of them take."""

    upload_format: str = Field("", description="not used any more: tiles are encoded without loss")


class Hdf5TimeSeriesTileParams(Hdf5TileParams):
    """A dataset of time samples and channels: axes t, x, y, channel."""

    dataset: str = Field(description="the path of the dataset in the file")
    channel_index: int = Field(0, ge=0, description="which channel")
    scale_factor: float = Field(1.0, description="values are multiplied by it, and cut to whole numbers")


class Hdf5TimeSeriesLabelTileParams(Hdf5TileParams):
    """A dataset of labels for all times: axes x, y."""

    dataset: str = Field(description="the path of the dataset in the file")


class Hdf5DatatypeParams(Hdf5TileParams):
    """A dataset of which the datatype may be told."""

    data_name: str = Field(description="the path of the dataset in the file")
    datatype: Literal["uint8", "uint16", "uint32"] | None = Field(
        None, description="what whole numbers stored as floats become; others stay as they are"
    )


class Hdf5SliceTileParams(Hdf5DatatypeParams):
    """A dataset of one slice: axes y, x."""

    offset_name: str = Field("", description="a dataset with the slice's first y and x; none means 0, 0")
    extent_name: str = Field("", description="a dataset with the slice's height and width; none means all")
    offset_origin_x: int = Field(0, description="added to the slice's first x")
    offset_origin_y: int = Field(0, description="added to the slice's first y")


class Hdf5ChunkTileParams(Hdf5DatatypeParams):
    """A dataset of some slices of one tile: axes z, y, x."""

    z_chunk_size: int = Field(gt=0, description="slices of a file, as in the path processor")
    crop: bool = Field(False, description="of slices larger than the tile, use the upper left part")


class Hdf5SingleFileTileParams(Hdf5DatatypeParams):
    """A dataset of a whole volume: axes z, y, x. What lies outside of it in x and y, or before it, is 0."""

    offset_x: int = Field(0, description="x in the dataset of the Boss's x 0")
    offset_y: int = Field(0, description="y in the dataset of the Boss's y 0")
    offset_z: int = Field(0, description="z in the dataset of the Boss's z 0")
