"""Chunks from readers: what they may hand over, and chunks that are read in columns of cuboids."""

import asyncio
import gc
import re
import weakref
from collections.abc import Callable, Container, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from boss_ingest.aws.bucket import buffers
from boss_ingest.boss.keys import ChunkKey, LookupIds
from boss_ingest.encode.codec import Codec
from boss_ingest.encode.conversion import Conversion
from boss_ingest.encode.cuboid import CheckedChunk, check_chunk
from boss_ingest.engine import chunk_source
from boss_ingest.engine.chunk_source import Chunk, ChunkForm, ReaderChunks
from boss_ingest.engine.tasks import ChunkTask, Cuboid
from boss_ingest.errors import MissingSourceError, PluginError, SourceError
from boss_ingest.plugins.reader import Box, MadeUp

TASK = ChunkTask(
    "key", ChunkKey(1, LookupIds(1, 2, 3), 0, 0, 0, 0, 0), (0, 0, 0), (16, 32, 32), (), outside=0
)


class Returning:
    def __init__(self, found: object) -> None:
        self.found = found

    def locate(self, _: object) -> str:
        return "volume.x"

    async def read(self, _: object) -> object:
        return self.found


def chunks(found: object) -> ReaderChunks:
    form = ChunkForm((16, 32, 32), "uint8", Codec("lz4"), pad=False)
    return ReaderChunks(Returning(found), form, None, timeout_s=10.0)


async def test_an_array_is_taken() -> None:
    chunk = await chunks(np.zeros((16, 32, 32), np.uint8)).read(TASK)
    assert not chunk.left_out


@pytest.mark.parametrize(
    "found", [None, b"bytes", [[1]], np.ma.masked_equal(np.zeros((16, 32, 32), np.uint8), 0)], ids=type
)
async def test_what_is_no_plain_array_is_refused_by_name(found: object) -> None:
    with pytest.raises(PluginError, match=r"volume\.x.*returned a"):
        await chunks(found).read(TASK)


async def test_what_a_reader_made_up_is_told() -> None:
    chunk = await chunks(MadeUp(np.zeros((16, 32, 32), np.uint8), "a.png is not there")).read(TASK)
    assert chunk.made_up == "a.png is not there"


DEEP = ChunkTask(
    "key", ChunkKey(1, LookupIds(1, 2, 3), 0, 0, 0, 0, 0), (0, 512, 0), (20, 1536, 700),
    tuple(Cuboid(f"{z} {y} {x}", (z, y, x)) for z in (0, 16) for y in (0, 512) for x in (0, 512, 1024)),
    outside=0,
)  # fmt: skip


class Volume:
    """Noise, to be read in parts if `apart`; a box that begins at a `missing` corner (y, x) is not there.

    The last column, if read alone, is made up.
    """

    def __init__(self, *, apart: bool, missing: Container[tuple[int, int]] = ()) -> None:
        self.voxels = np.random.default_rng(1).integers(0, 256, (32, 1536, 1024), np.uint8)
        self.apart = apart
        self.missing = missing
        self.read_boxes: list[Box] = []

    def locate(self, box: Box) -> str:
        return f"volume {box.start_zyx}"

    def reads_apart(self, parts: Sequence[Box]) -> bool:
        return self.apart

    async def read(self, box: Box) -> NDArray[Any] | MadeUp:
        self.read_boxes.append(box)
        if box.start_zyx[1:] in self.missing:
            raise MissingSourceError(f"{self.locate(box)} is not to be found", hint="look for it")
        corners = zip(box.start_zyx, box.stop_zyx, strict=True)
        found = self.voxels[tuple(slice(low, high) for low, high in corners)]
        return MadeUp(found, "as it were") if box.start_zyx[1:] == (1024, 512) else found


async def read(volume: Volume, dtype: str = "uint8", convert: Conversion | None = None) -> Chunk:
    form = ChunkForm((32, 1024, 1536), dtype, Codec("lz4"), pad=False, convert=convert)
    return await ReaderChunks(volume, form, None, timeout_s=10.0).read(DEEP)


async def bodies(chunk: Chunk) -> list[bytes]:
    return [b"".join(buffers(await chunk.body(cuboid))) for cuboid in DEEP.cuboids]


async def test_a_chunk_read_in_columns_gives_the_same_cuboids_as_one_read_whole() -> None:
    apart, whole = Volume(apart=True), Volume(apart=False)
    assert await bodies(await read(apart)) == await bodies(await read(whole))
    assert whole.read_boxes == [Box((0, 512, 0), (20, 1536, 700))]
    assert apart.read_boxes == [
        Box((0, y, x), (20, y + 512, stop)) for y in (512, 1024) for x, stop in ((0, 512), (512, 700))
    ]


async def test_a_chunk_read_in_columns_is_converted_and_tells_of_what_was_made_up_in_one() -> None:
    saturate = Conversion(scale=None)
    apart, whole = Volume(apart=True), Volume(apart=False)
    for volume in (apart, whole):
        volume.voxels = np.minimum(volume.voxels, 99).astype(np.uint16)
        volume.voxels[5, 1200, 600] = 300
    chunk = await read(apart, convert=saturate)
    assert (chunk.converted, chunk.made_up) == (True, "as it were")
    assert await bodies(chunk) == await bodies(await read(whole, convert=saturate))


async def test_a_chunk_of_which_a_column_is_missing_is_not_missing() -> None:
    with pytest.raises(SourceError) as caught:
        await read(Volume(apart=True, missing=[(512, 512)]))
    assert str(caught.value) == (
        "volume (0, 512, 0) is missing in part: volume (0, 512, 512) is not to be found\n  look for it"
    )
    assert not isinstance(caught.value, MissingSourceError)


async def test_a_chunk_of_which_all_columns_are_missing_is_missing() -> None:
    everywhere = [(y, x) for y in (512, 1024) for x in (0, 512)]
    volume = Volume(apart=True, missing=everywhere)
    with pytest.raises(MissingSourceError, match=re.escape("volume (0, 512, 0) is not there: volume (0, ")):
        await read(volume)
    assert len(volume.read_boxes) == 4


async def test_a_column_that_is_not_what_it_should_be_fails_its_chunk_by_name() -> None:
    volume = Volume(apart=True)
    volume.voxels = volume.voxels[:, :, :600]
    with pytest.raises(SourceError, match=re.escape("volume (0, 512, 512)")):
        await read(volume)


async def test_nothing_is_held_of_a_chunk_that_is_missing_in_part() -> None:
    volume, lent = Volume(apart=True, missing=[(1024, 0)]), []
    volume.voxels = volume.voxels.astype(np.int64)  # converted, and so not a view of them
    gc.disable()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(chunk_source, "check_chunk", _noting(lent))
            with suppress(SourceError):
                await read(volume)
        await asyncio.get_running_loop().shutdown_default_executor()  # what its threads held is gone too
        assert len(lent) == 3
        assert all(array() is None for array in lent)
    finally:
        gc.enable()


def _noting(lent: list[weakref.ref[Any]]) -> Callable[..., CheckedChunk]:
    def check(*args: Any, **kwargs: Any) -> CheckedChunk:
        checked = check_chunk(*args, **kwargs)
        lent.append(weakref.ref(checked.array_zyx))
        return checked

    return check
