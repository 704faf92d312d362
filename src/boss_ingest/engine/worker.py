"""What runs inside a worker process: user plugins and the CPU-bound work on pixels.

Only paths and indices come in and only finished bytes go out. Each process has its own plugin
instances, made once by `start`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boss_ingest.aws.bucket import buffers
from boss_ingest.encode.codec import Codec
from boss_ingest.encode.cuboid import ChunkSpec, check_chunk, pack
from boss_ingest.encode.tile_image import TileImage, TileSpec, fit, inspect
from boss_ingest.errors import of_source
from boss_ingest.plugins.classic import ClassicChunks, ClassicTiles
from boss_ingest.plugins.reader import Setup, TileIndex

_ZYX = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class PluginPair:
    """A path processor and a tile or chunk processor written for the original client."""

    path_class: str
    processor_class: str
    setup: Setup
    volumetric: bool


_plugins: ClassicTiles | ClassicChunks | None = None


def start(pair: PluginPair | None) -> None:
    """Set up this process: with the user's plugins, or (None) for pixel work alone."""
    global _plugins  # noqa: PLW0603 - one instance a process is what the plugin contract promises
    if pair is not None:
        kind = ClassicChunks if pair.volumetric else ClassicTiles
        _plugins = kind(pair.path_class, pair.processor_class, pair.setup)


def fit_tile(source: bytes | NDArray[np.generic], spec: TileSpec, name: str) -> TileImage:
    """Make an image of any right kind the tile that the Boss accepts. Raises SourceError."""
    return fit(source, spec, name=name)


def read_tile(index: TileIndex, spec: TileSpec) -> TileImage:
    """The finished tile. Raises SourceError and PluginError."""
    assert isinstance(_plugins, ClassicTiles)
    path, source = _plugins.read(index)
    name = path or f"tile x={index.x} y={index.y} z={index.z} t={index.t}"
    with of_source(path):
        if inspect(source, spec, name=name):
            return TileImage(source, passed_through=True)
        return fit(source, spec, name=name)


def read_chunk(
    index_xyz: tuple[int, int, int], spec: ChunkSpec, offsets_zyx: list[_ZYX], codec: Codec
) -> tuple[list[bytes], bool]:
    """The finished cuboids of a chunk in the order of their offsets, and whether values were converted.

    Raises SourceError and PluginError.
    """
    assert isinstance(_plugins, ClassicChunks)
    path, array = _plugins.read(*index_xyz)
    name = path or "chunk x={} y={} z={}".format(*index_xyz)
    with of_source(path):
        chunk = check_chunk(array, spec, name=name)
    bodies = (pack(chunk.array_zyx, offset_zyx, codec) for offset_zyx in offsets_zyx)
    return [b"".join(buffers(body)) for body in bodies], chunk.converted
