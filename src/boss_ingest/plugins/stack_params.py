"""The params of image stacks: where the files are, what they are called, and how slices are cut into them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from boss_ingest.plugins.objects import Filesystem
from boss_ingest.plugins.params import ChunkParams, Params, TileParams

_Positive = Annotated[int, Field(gt=0)]


class ImageSize(Params):
    """Of one image, in pixels."""

    model_config = ConfigDict(extra="ignore")

    x: _Positive
    y: _Positive


class StackPathParams(Params):
    """Where the files are and how they are named."""

    root_dir: str = Field(description="the folder all files are in; on S3 the prefix of their keys")
    base_filename: str = Field(description="a template, such as section<p:4>_y<y>_x<x>")
    extension: str = Field(description="of the files, without the dot")
    allow_outside_root: bool = Field(False, description="also read files that links or .. lead to")

    @model_validator(mode="after")
    def _stays_inside(self) -> Self:
        name = Path(f"{self.base_filename}.{self.extension}")
        if not self.allow_outside_root and (name.is_absolute() or ".." in name.parts):
            raise ValueError('base_filename must stay inside root_dir, or "allow_outside_root" be true')
        return self


class _Images(Params):
    """What the tiles and the chunks of a stack have in common."""

    images: Literal["tiles", "slices", "grid"]
    filesystem: Filesystem = Field(
        "local", description='where the files are; "s3_copy" reads S3 through temporary copies'
    )
    bucket: str = Field("", description="on S3: the bucket")
    endpoint_url: str = Field(
        "", description="of an S3 server that is not Amazon's: https://host, http://host:port"
    )
    temp_dir: str | None = Field(None, description="where temporary copies go")
    image_size: ImageSize | None = Field(
        None,
        description='of every file, as {"x": columns, "y": rows}; a grid needs it, slices are held to it',
    )
    offset_x: int = Field(0, description="added to the x of a voxel to get its column in the slice")
    offset_y: int = Field(0, description="added to the y of a voxel to get its row in the slice")
    max_image_bytes: _Positive | None = Field(
        None, description="the most a decoded image may take; else image_size or the job's extent tell"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.images == "grid" and self.image_size is None:
            raise ValueError('"images": "grid" takes an image_size, such as {"x": 1024, "y": 1024}')
        if self.filesystem != "local" and not self.bucket:
            raise ValueError(f'"filesystem": "{self.filesystem}" takes a bucket')
        if self.endpoint_url and not self.endpoint_url.startswith(("http://", "https://")):
            raise ValueError("endpoint_url must begin with http:// or https://")
        return self


class StackTileParams(_Images, TileParams):
    """How the files of a tile job are read."""

    extension: str = Field("", description="not used any more: files are recognised by what is in them")
    fail_gracefully: bool = Field(False, description='the same as "missing": "zeros"')
    images: Literal["tiles", "slices", "grid"] = Field(
        "tiles",
        description="what one file is: a tile; a whole slice, cut into tiles; or one of a grid of images "
        "of image_size, numbered by <y> and <x>, that tiles are put together from",
    )


class StackChunkParams(_Images, ChunkParams):
    """How the slices of a volumetric job are read."""

    extension: str = Field("", description="not used: files are recognised by what is in them")
    images: Literal["slices", "grid"] = Field(
        "slices",
        description="what one file is: a whole slice; or one of a grid of images of image_size, "
        "numbered by <y> and <x>",
    )
    allow_outside_root: bool = Field(
        False, description="the same as in the path processor, whose params count for most jobs"
    )
