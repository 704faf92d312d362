"""The params of the intern layouts: which Boss, which channel, and where in it the job lies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict, Field, SecretStr

from boss_ingest.errors import ConfigError, Problem
from boss_ingest.plugins.intern_account import DEFAULT_HOST, Account, find_account, token_in
from boss_ingest.plugins.intern_channel import CUBOID_ZYX, Address
from boss_ingest.plugins.params import ChunkParams, Params, TileParams

if TYPE_CHECKING:
    from collections.abc import Mapping


TILES, CHUNKS = "client.tile_processor", "client.chunk_processor"


class InternPathParams(Params):
    """There is no path to name; what is given is ignored, as it always was."""

    model_config = ConfigDict(extra="ignore")


class SourceParams(TileParams):
    """The Boss that the source is in."""

    token: SecretStr | None = Field(
        None, description="of the source's Boss; without it, what intern is configured with"
    )
    token_file: str | None = Field(None, description="a file that holds the token, instead of token")
    host: str | None = Field(None, description=f"of the source's Boss, beside a token; {DEFAULT_HOST}")
    protocol: Literal["https", "http"] | None = Field(None, description="https")
    allow_http: bool = Field(False, description="send the token unencrypted to another machine")


class InternTileParams(SourceParams):
    """Which channel, and where in it the job's tiles are."""

    collection: str = Field(description="of the source")
    experiment: str = Field(description="of the source")
    channel: str = Field(description="of the source")
    resolution: int = Field(0, ge=0, description="of the source; 0 is the finest")
    x_offset: int = Field(0, description="source voxel x = voxel x of the job + x_offset; zeros below 0")
    y_offset: int = Field(0, description="the same for y")
    z_offset: int = Field(0, description="the same for z")
    x_tile: int | None = Field(None, description="must be ingest_job.tile_size.x")
    y_tile: int | None = Field(None, description="must be ingest_job.tile_size.y")
    slices_per_read: int = Field(
        CUBOID_ZYX[0],
        ge=1,
        le=64,
        description="slices read at once and kept for their tiles; 1 when many machines share a job",
    )


class InternChunkParams(SourceParams, ChunkParams):
    """Which channel."""

    uri: str = Field(description="bossdb://collection/experiment/channel, /resolution may follow")


def account_of(given: SourceParams, section: str) -> Account:
    """The Boss and the token they mean. Raises ConfigError."""
    if given.token is not None and given.token_file is not None:
        rule = Problem(f"{section}.params.token_file", given.token_file, "must not stand beside token", "")
        raise ConfigError("the source's token is given twice", problems=(rule,))
    token = token_in(Path(given.token_file)) if given.token_file is not None else given.token
    return find_account(
        token=token,
        host=given.host,
        protocol=given.protocol,
        allow_http=given.allow_http,
        section=section,
    )


def check_tile_size(given: InternTileParams, size: Mapping[str, int]) -> None:
    """Raises ConfigError when x_tile or y_tile is not what the job's tiles are."""
    problems = []
    for axis, tile in (("x", given.x_tile), ("y", given.y_tile)):
        if tile not in {None, size[axis]}:
            rule = f"must be {size[axis]}, as ingest_job.tile_size.{axis}"
            problems.append(Problem(f"{TILES}.params.{axis}_tile", str(tile), rule, ""))
    if problems:
        raise ConfigError("the source's tiles are not those of the job", problems=tuple(problems))


def parse_uri(uri: str) -> Address:
    """The channel that a uri names. Raises ConfigError."""
    scheme, _, rest = uri.rpartition("://")
    names = rest.strip("/").split("/")
    if scheme not in {"", "bossdb"} or len(names) not in {3, 4} or not (names[3:] or ["0"])[0].isdecimal():
        fix = "for s3:// and gs:// there is cloudvolume.CloudVolumeChunkProcessor" if scheme else ""
        problem = Problem(f"{CHUNKS}.params.uri", uri, "must be bossdb://collection/experiment/channel", fix)
        raise ConfigError("the source is not named as channels are", problems=(problem,))
    return Address(names[0], names[1], names[2], int((names[3:] or ["0"])[0]))
