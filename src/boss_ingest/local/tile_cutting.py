"""Tiles to cuboids, with every quirk of the Boss's own tile ingest; pure and slow, so it runs in a thread.

docs/protocol.md, "What the server does" and "Tile objects".
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import blosc
import numpy as np
from PIL import Image

from boss_ingest.boss.keys import CUBOID_ZYX, ChunkKey, CuboidKey, morton

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

blosc.set_releasegil(True)  # or a thread that compresses holds up the event loop


@dataclass(frozen=True, slots=True)
class StagedTile:
    """A tile as it lies in the tile bucket: its body, and the size its metadata states."""

    key: str
    body: bytes
    x_size: int
    y_size: int


@dataclass(frozen=True, slots=True)
class CutChunk:
    """Cuboids by key, compressed, and what was wrong with which tile."""

    cuboids: list[tuple[str, bytes]]
    errors: list[tuple[str, str]]


def cut_chunk(chunk_key: str, tiles: Sequence[StagedTile], *, dtype: str) -> CutChunk:
    """Stack tiles, the i-th becoming slice i whatever its z, and cut them into cuboids.

    Where a chunk lies follows from the width of its images, not from the tile size of the job. Raises
    what the Boss's code would raise: ValueError for slices of different shape and for images in colour.
    """
    errors: list[tuple[str, str]] = []
    slices = [_decode(tile, dtype, errors) for tile in tiles]
    volume = np.array(slices, dtype=dtype)
    if volume.ndim != 3:
        raise ValueError(f"could not broadcast tiles of shape {volume.shape[1:]} into a slice")
    chunk = ChunkKey.decode(chunk_key)
    return CutChunk([(key, compress(cuboid)) for key, cuboid in _cuboids(chunk, volume)], errors)


def compress(cuboid: NDArray[Any]) -> bytes:
    """A blosc-1 buffer of the array in C order, with the Boss's typesize in bits."""
    contiguous = np.ascontiguousarray(cuboid)
    typesize = min(255, contiguous.itemsize * 8)
    return bytes(blosc.compress(contiguous, typesize=typesize, clevel=5))


def _cuboids(chunk: ChunkKey, volume: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    depth, height, width = volume.shape
    _, rows, columns = CUBOID_ZYX
    across, down = -(-width // columns), -(-height // rows)
    for xi in range(across):
        for yi in range(down):
            block = volume[:, yi * rows : (yi + 1) * rows, xi * columns : (xi + 1) * columns]
            cuboid = np.zeros(CUBOID_ZYX, dtype=volume.dtype)
            cuboid[:depth, : block.shape[1], : block.shape[2]] = block
            code = morton(xi + chunk.x * across, yi + chunk.y * down, chunk.z)
            yield CuboidKey(chunk.ids, chunk.resolution, chunk.t, code).encode(), cuboid


def _decode(tile: StagedTile, dtype: str, errors: list[tuple[str, str]]) -> NDArray[Any]:
    problem = "Zero length tile"
    if tile.body:
        try:
            with Image.open(io.BytesIO(tile.body)) as image:
                return np.asarray(image).astype(dtype)
        except OSError as error:
            problem = f"OSError: {error}"
    errors.append((tile.key, problem))
    return np.zeros((tile.x_size, tile.y_size), dtype=dtype)
