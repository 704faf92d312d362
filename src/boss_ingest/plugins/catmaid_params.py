"""The params of the CATMAID layouts."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from boss_ingest.plugins.params import Params, TileParams

PATH, TILE = "client.path_processor", "client.tile_processor"


class CatmaidPathParams(Params):
    """Where the files are."""

    root_dir: str = Field(description="the folder all files are in")
    filetype: str = Field(description="of the files: their extension, without the dot")
    allow_outside_root: bool = Field(False, description="also read files that links or .. lead to")


class CatmaidTileParams(TileParams):
    """How the files are read."""

    filetype: str = Field("", description="not used any more: files are recognised by what is in them")


class CatmaidURLPathParams(Params):
    """Nothing is needed here: it is the tile processor's params that count."""

    model_config = ConfigDict(extra="ignore")

    root_dir: str = Field("", description="not needed here")
    filetype: str = Field("", description="not needed here")


class CatmaidURLTileParams(TileParams):
    """Where the tiles are: `url` + `z/y/x.filetype`, slice, row and column of the tile."""

    url: str = Field(description="what all URLs begin with, up to and including a /")
    filetype: str = Field(description="of the images: what all URLs end with, without the dot")
    z_offset: int = Field(0, description="slice of the server - slice of the job; slices below 0 are zeros")
    y_offset: int = Field(0, description="the same in y, in pixels: a multiple of tile_size.y")
    x_offset: int = Field(0, description="the same in x, in pixels: a multiple of tile_size.x")
    zeros_on_403: bool = Field(
        False, description="403 means that a tile is not there, and tiles that are not there are zeros"
    )
    x_tile: int | None = Field(None, description="not used any more: tile_size counts")
    y_tile: int | None = Field(None, description="not used any more: tile_size counts")
    collection: str = Field("", description="not used any more")
    experiment: str = Field("", description="not used any more")
    channel: str = Field("", description="not used any more")
    resolution: int | None = Field(None, description="not used any more: it is part of the url")
