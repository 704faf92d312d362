"""Readers of a channel of another Boss: tiles out of slabs of slices, and boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boss_ingest.errors import MissingSourceError, SourceError
from boss_ingest.plugins.intern_channel import Address, SourceChannel, open_channel, within
from boss_ingest.plugins.intern_params import (
    CHUNKS,
    TILES,
    InternChunkParams,
    InternTileParams,
    account_of,
    check_tile_size,
    parse_uri,
)
from boss_ingest.plugins.reader import Box, ChunkReader, MadeUp, Setup, SourceInfo, TileIndex, TileReader

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from boss_ingest.plugins.block_cache import BlockCache


class InternTileReader(TileReader):
    """Reads tiles from slabs of slices as the Boss stores them, each asked for once while it is kept."""

    _channel: SourceChannel | None = None
    _slabs: BlockCache | None = None

    async def open(self, setup: Setup) -> None:
        """Look at the channel. Raises ConfigError, SourceError."""
        from boss_ingest.plugins.block_cache import BlockCache

        given = InternTileParams.read(setup.params, section=TILES)
        size = setup.ingest_job["tile_size"]
        self._shape_yx = size["y"], size["x"]
        check_tile_size(given, size)
        self._offset_zyx = given.z_offset, given.y_offset, given.x_offset
        extent = setup.ingest_job["extent"]
        self._extent_z = [z + given.z_offset for z in extent["z"]]
        self._one_sample = tuple(extent.get("t", (0, 1))) == (0, 1)
        address = Address(given.collection, given.experiment, given.channel, given.resolution)
        self._channel = await open_channel(account_of(given, TILES), address)
        self._slabs = BlockCache(setup.cache_bytes)
        plane_bytes = size["x"] * size["y"] * int(self._channel.dtype.removeprefix("uint")) // 8
        self._depth = max(1, min(given.slices_per_read, setup.cache_bytes // (4 * plane_bytes)))

    async def read(self, index: TileIndex) -> NDArray[Any] | MadeUp:
        """The voxels (yx) of the channel's type; fewer at the end of the channel. Raises SourceError.

        Zeros where an offset leads to coordinates below 0. A MissingSourceError beyond the channel's end.
        """
        import numpy as np

        channel, wanted = self._opened(), self._box(index)
        tile = np.zeros(self._shape_yx, channel.dtype)
        (z, y, x), (_, y_stop, x_stop) = wanted.start_zyx, wanted.stop_zyx
        below = f"with the offsets, {channel.locate(wanted)} begins below 0"
        if z < 0 or y_stop <= 0 or x_stop <= 0:
            return MadeUp(tile, below)
        there = Box((z, max(0, y), max(0, x)), wanted.stop_zyx)
        inside = channel.clip(there)
        if inside is None:
            raise MissingSourceError(channel.outside(wanted), hint="correct ingest_job.extent or the offsets")
        if inside.start_zyx != there.start_zyx:
            raise SourceError(channel.outside(wanted), hint="correct ingest_job.extent or the offsets")
        slab, plane = await self._slab(inside, self._sample(index))
        at = within(inside, wanted.start_zyx)
        tile[at[1:]] = slab[plane]
        there_is = tile[: at[1].stop, : at[2].stop]
        return MadeUp(there_is, below) if min(y, x) < 0 else there_is

    async def describe(self) -> SourceInfo:
        """The channel's type."""
        channel = self._opened()
        return SourceInfo(dtype=channel.dtype, shape_zyx=None, where=channel.where)

    async def close(self) -> None:
        """Let go of connections and slabs."""
        if self._slabs is not None:
            await self._slabs.close()
        if self._channel is not None:
            await self._channel.close()

    def locate(self, index: TileIndex) -> str:
        """The channel, and the tile's voxels in it."""
        return self._opened().locate(self._box(index))

    def _opened(self) -> SourceChannel:
        assert self._channel is not None, "open it first"
        return self._channel

    def _box(self, index: TileIndex) -> Box:
        rows, columns = self._shape_yx
        corner = zip((index.z, index.y * rows, index.x * columns), self._offset_zyx, strict=True)
        z, y, x = (low + offset for low, offset in corner)
        return Box((z, y, x), (z + 1, y + rows, x + columns))

    def _sample(self, index: TileIndex) -> int | None:
        """The source's default sample for a job that has but one, else the same sample."""
        if self._one_sample:
            return None
        channel = self._opened()
        if index.t >= channel.time_samples:
            raise MissingSourceError(
                f"{channel.where} has {channel.time_samples} time samples, asked for is t {index.t}",
                hint="correct ingest_job.extent.t",
            )
        return index.t

    async def _slab(self, plane: Box, t: int | None) -> tuple[NDArray[Any], int]:
        """The slices around a box of one slice, and where in them it is."""
        assert self._slabs is not None
        channel, (z, y, x), (_, y_stop, x_stop) = self._opened(), plane.start_zyx, plane.stop_zyx
        first = max(z // self._depth * self._depth, self._extent_z[0], channel.start_zyx[0])
        last = min((z // self._depth + 1) * self._depth, self._extent_z[1], channel.stop_zyx[0])
        first, last = min(first, z), max(last, z + 1)  # a tile outside of the job can be asked for, too
        box = Box((first, y, x), (last, y_stop, x_stop))
        return await self._slabs.get((box, t), lambda: channel.read(box, t=t)), z - first


class InternChunkReader(ChunkReader):
    """Reads boxes of one channel."""

    _channel: SourceChannel | None = None

    async def open(self, setup: Setup) -> None:
        """Look at the channel. Raises ConfigError, SourceError."""
        given = InternChunkParams.read(setup.params, section=CHUNKS)
        address = parse_uri(given.uri)
        self._channel = await open_channel(account_of(given, CHUNKS), address)

    async def read(self, box: Box) -> NDArray[Any]:
        """The voxels (zyx). Raises SourceError, also when the box leaves the channel's frame."""
        channel = self._opened()
        inside = channel.clip(box)
        if inside != box:
            kind = MissingSourceError if inside is None else SourceError
            raise kind(channel.outside(box), hint="correct ingest_job.extent")
        return await channel.read(box)

    async def describe(self) -> SourceInfo:
        """The channel's type, and where its frame ends."""
        channel = self._opened()
        return SourceInfo(dtype=channel.dtype, shape_zyx=channel.stop_zyx, where=channel.where)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._channel is not None:
            await self._channel.close()

    def locate(self, box: Box) -> str:
        """The channel and the box."""
        return self._opened().locate(box)

    def clip(self, box: Box) -> Box:
        """The box without what lies beyond the channel's end."""
        return self._opened().clip(box) or box

    def _opened(self) -> SourceChannel:
        assert self._channel is not None, "open it first"
        return self._channel
