"""Tiles from readers: what is made up is told, what is quick needs no worker process, a mistake harms one."""

import io

import numpy as np
import pytest
from PIL import Image

from boss_ingest.boss.keys import LookupIds, TileKey
from boss_ingest.engine.tasks import TileTask
from boss_ingest.engine.tile_source import ReaderTiles, ReadTile, TileForm
from boss_ingest.errors import SourceError
from boss_ingest.plugins.reader import MadeUp


class Returning:
    def __init__(self, found: object) -> None:
        self.found = found

    def locate(self, _: object) -> str:
        return "image.x"

    async def read(self, _: object) -> object:
        return self.found


class NoPool:
    async def call(self, *_: object) -> object:
        raise AssertionError("a worker process was asked for what a thread does quicker")


class BrokenPool:
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def call(self, *_: object) -> object:
        raise self.error


async def read(found: object, dtype: str, pool: object) -> ReadTile:
    form = TileForm((32, 24), dtype, pad=False)
    task = TileTask("key", "chunk", TileKey(LookupIds(1, 2, 3), 0, 0, 0, 0, 0), needed_yx=(32, 24))
    return await ReaderTiles(Returning(found), form, pool, timeout_s=10.0).read(task)


async def test_what_a_reader_made_up_is_told() -> None:
    made_up = MadeUp(np.zeros((32, 24), np.uint16), "below 0")
    assert (await read(made_up, "uint16", NoPool())).made_up == "below 0"


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
async def test_a_plain_array_is_encoded_without_a_worker_process(dtype: str) -> None:
    pixels = (np.arange(32 * 24) % 251).astype(dtype).reshape(32, 24)
    tile = await read(pixels, dtype, NoPool())
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(tile.image.body))), pixels)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (TypeError("cannot pickle '_thread.lock' object"), r"image\.x is more than .* cannot pickle"),
        (MemoryError(), r"image\.x: there is not memory enough"),
    ],
    ids=["a mistake", "memory"],
)
async def test_what_goes_wrong_with_a_tile_harms_only_that_tile(error: Exception, says: str) -> None:
    with pytest.raises(SourceError, match=says) as caught:
        await read(np.zeros((32, 24), np.uint64), "uint64", BrokenPool(error))
    assert caught.value.source == "image.x"
