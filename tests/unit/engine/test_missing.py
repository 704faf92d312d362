"""Missing sources: an error unless the job file says zeros or skip, and then counted."""

import io

import numpy as np
import pytest
from PIL import Image

from boss_ingest.boss.keys import ChunkKey, LookupIds, TileKey
from boss_ingest.encode.codec import Codec
from boss_ingest.encode.cuboid import decompress
from boss_ingest.engine.chunk_source import ChunkForm
from boss_ingest.engine.missing import ForgivingChunks, ZeroTiles, missing_of
from boss_ingest.engine.tasks import ChunkTask, Cuboid, TileTask
from boss_ingest.engine.tile_source import TileForm
from boss_ingest.errors import MissingSourceError, SourceError

IDS = LookupIds(1, 2, 3)
TILE = TileTask("key", "chunk", TileKey(IDS, 0, 0, 0, 0, 0), needed_yx=(30, 20))
CHUNK = ChunkTask("key", ChunkKey(1, IDS, 0, 0, 0, 0, 0), (0, 0, 0), (16, 600, 700), (), outside=0)


class Failing:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def read(self, task: object) -> object:
        raise self.error


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "error"),
        ({"missing": "error"}, "error"),
        ({"missing": "zeros"}, "zeros"),
        ({"missing": "skip"}, "skip"),
        ({"fail_gracefully": True}, "zeros"),
        ({"fail_gracefully": False}, "error"),
        ({"zeros_on_403": True}, "zeros"),
    ],
)
def test_what_the_job_file_asks_for(params: dict, expected: str) -> None:
    assert missing_of(params) == expected


async def test_a_missing_tile_becomes_zeros_of_the_tile_shape_and_says_why() -> None:
    source = ZeroTiles(
        Failing(MissingSourceError("a.png is not there")), TileForm((32, 24), "uint16", pad=False)
    )
    tile = await source.read(TILE)
    image = np.asarray(Image.open(io.BytesIO(tile.image.body)))
    assert image.shape == (32, 24)
    assert not image.any()
    assert tile.made_up == "a.png is not there"
    assert not tile.image.passed_through


async def test_a_broken_tile_stays_an_error_when_zeros_are_for_missing_ones() -> None:
    source = ZeroTiles(Failing(SourceError("a.png is cut short")), TileForm((32, 24), "uint8", pad=False))
    with pytest.raises(SourceError, match="cut short"):
        await source.read(TILE)


async def test_a_missing_chunk_becomes_zeros() -> None:
    form = ChunkForm((16, 1024, 1024), "uint8", Codec("lz4"), pad=False)
    chunk = await ForgivingChunks(Failing(MissingSourceError("no a.h5")), form, "zeros").read(CHUNK)
    body = await chunk.body(Cuboid("key", (0, 512, 512)))
    assert not decompress(body, dtype="uint8", shape=(16, 512, 512)).any()
    assert (chunk.made_up, chunk.left_out) == ("no a.h5", False)


async def test_a_missing_chunk_can_be_left_out() -> None:
    form = ChunkForm((16, 1024, 1024), "uint8", Codec("lz4"), pad=False)
    chunk = await ForgivingChunks(Failing(MissingSourceError("no a.h5")), form, "skip").read(CHUNK)
    assert (chunk.made_up, chunk.left_out) == ("no a.h5", True)
