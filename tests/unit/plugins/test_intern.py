"""A channel of another Boss as tiles and as chunks, against a local Boss that holds it."""

from __future__ import annotations

import asyncio
import gc
import io
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from boss_ingest.errors import ConfigError, MissingSourceError, SourceError
from boss_ingest.plugins import intern_requests
from boss_ingest.plugins.classic import ClassicChunks, ClassicTiles
from boss_ingest.plugins.intern import InternChunkReader, InternTileReader
from boss_ingest.plugins.reader import Box, Setup, TileIndex
from boss_ingest.testing import check_chunk_reader, check_tile_reader
from tests.filled_boss import fill, filled_boss
from tests.volumes import pattern

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from boss_ingest.local.boss import LocalBoss

VOLUME = pattern((21, 530, 600), "uint16")
TILE = 512
JOB: dict[str, Any] = {
    "resolution": 0,
    "extent": {"x": [0, 600], "y": [0, 530], "z": [0, 21], "t": [0, 1]},
    "tile_size": {"x": TILE, "y": TILE, "z": 1, "t": 1},
    "chunk_size": {"x": 512, "y": 512, "z": 16},
}
NAMES = {"collection": "col", "experiment": "exp", "channel": "ch"}


@pytest.fixture
async def source(tmp_path: Path) -> AsyncIterator[LocalBoss]:
    async with filled_boss(tmp_path / "source", VOLUME) as boss:
        yield boss


def at(boss: LocalBoss, **params: Any) -> dict[str, Any]:
    return {"host": boss.url.removeprefix("http://"), "protocol": "http", "token": boss.token, **params}


def tiles(boss: LocalBoss, **params: Any) -> Setup:
    return Setup({}, at(boss, **NAMES | params), JOB, Path())


def chunks(boss: LocalBoss, **params: Any) -> Setup:
    return Setup({}, at(boss, **{"uri": "bossdb://col/exp/ch"} | params), JOB, Path())


def part(index: TileIndex) -> np.ndarray[Any, Any]:
    return VOLUME[index.z, index.y * TILE :, index.x * TILE :][:TILE, :TILE]


async def opened(setup: Setup, kind: type = InternTileReader) -> Any:
    reader = kind()
    await reader.open(setup)
    return reader


async def test_every_tile_has_its_own_voxels_also_at_the_edges(source: LocalBoss) -> None:
    indices = [TileIndex(x, y, z, 0) for x in (0, 1) for y in (0, 1) for z in (0, 20)]
    expected = {index: part(index) for index in indices}
    await check_tile_reader(InternTileReader, tiles(source), expected, missing=TileIndex(2, 0, 0, 0))


async def test_every_box_has_its_own_voxels(source: LocalBoss) -> None:
    await check_chunk_reader(InternChunkReader, chunks(source), VOLUME)


async def test_boxes_larger_than_a_request_come_in_parts(
    source: LocalBoss, monkeypatch: pytest.MonkeyPatch
) -> None:
    from boss_ingest.plugins import intern_channel

    monkeypatch.setattr(intern_channel, "REQUEST_BYTES", 1)  # one cuboid at a time
    reader = await opened(chunks(source), InternChunkReader)
    box = Box((3, 5, 7), (21, 530, 600))
    assert np.array_equal(await reader.read(box), VOLUME[3:, 5:, 7:])
    await reader.close()


async def test_sixteen_slices_are_asked_for_once_and_past_the_cache(
    source: LocalBoss, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Counter[str] = Counter()
    ask = intern_requests.Requests._ask

    async def counted(self: Any, url: Any, *rest: Any) -> Any:
        asked[str(url)] += 1
        return await ask(self, url, *rest)

    monkeypatch.setattr(intern_requests.Requests, "_ask", counted)
    reader = await opened(tiles(source))
    await asyncio.gather(*(reader.read(TileIndex(0, 0, z, 0)) for z in range(21)))
    await reader.close()
    cutouts = {url: times for url, times in asked.items() if "/cutout/" in url}
    assert len(cutouts) == 2
    assert set(cutouts.values()) == {1}
    assert all(url.endswith("?access-mode=no-cache") for url in cutouts)
    assert {url.split("/")[-2] for url in cutouts} == {"0:16", "16:21"}


@pytest.mark.parametrize(("dtype", "mode"), [("uint8", "L"), ("uint16", "I;16"), ("uint64", "I")])
async def test_the_datatype_is_kept_by_both_faces(source: LocalBoss, dtype: str, mode: str) -> None:
    volume = pattern((2, 20, 30), dtype) % np.dtype(dtype).type(50_000 if dtype != "uint8" else 255)
    await fill(source, volume, channel="other")
    size = {"x": 30, "y": 20, "z": 1, "t": 1}
    job = JOB | {"extent": {"x": [0, 30], "y": [0, 20], "z": [0, 2], "t": [0, 1]}, "tile_size": size}
    setup = Setup({}, at(source, **NAMES | {"channel": "other"}), job, Path())
    reader = await opened(setup)
    assert (await reader.describe()).dtype == dtype
    found = await reader.read(TileIndex(0, 0, 1, 0))
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found, volume[1])
    await reader.close()
    _, body = await asyncio.to_thread(classic_tile, setup, TileIndex(0, 0, 1, 0))
    with Image.open(io.BytesIO(body)) as image:
        assert (image.format, image.mode) == ("TIFF", mode)
        assert np.array_equal(np.asarray(image), volume[1])


async def test_a_channel_one_voxel_wide_keeps_its_three_axes(source: LocalBoss) -> None:
    volume = pattern((3, 1, 1))
    await fill(source, volume, channel="thin")
    job = JOB | {
        "extent": {"x": [0, 1], "y": [0, 1], "z": [0, 3], "t": [0, 1]},
        "tile_size": {"x": 1, "y": 1, "z": 1, "t": 1},
    }
    reader = await opened(Setup({}, at(source, **NAMES | {"channel": "thin"}), job, Path()))
    assert (await reader.read(TileIndex(0, 0, 2, 0))).tolist() == [[volume[2, 0, 0]]]
    await reader.close()
    setup = Setup({}, at(source, uri="bossdb://col/exp/thin"), job, Path())
    reader = await opened(setup, InternChunkReader)
    assert (await reader.read(Box((1, 0, 0), (2, 1, 1)))).shape == (1, 1, 1)
    await reader.close()
    _, array = await asyncio.to_thread(lambda: ClassicChunks(*pair("Chunk"), setup).read(0, 0, 0))
    assert np.array_equal(array, volume)


async def test_offsets_shift_and_coordinates_below_zero_are_zeros(source: LocalBoss) -> None:
    reader = await opened(tiles(source, x_offset=-100, y_offset=-10, z_offset=-2))
    nothing = await reader.read(TileIndex(0, 0, 1, 0))
    assert not nothing.voxels.any()
    assert "z -1:0" in nothing.why
    partly = await reader.read(TileIndex(0, 0, 5, 0))
    assert "begins below 0" in partly.why
    tile = partly.voxels
    assert tile.shape == (512, 512)
    assert not tile[:10].any()
    assert not tile[:, :100].any()
    assert np.array_equal(tile[10:, 100:], VOLUME[3, :502, :412])
    edge = await reader.read(TileIndex(1, 1, 5, 0))
    assert np.array_equal(edge, VOLUME[3, 502:, 412:])
    with pytest.raises(MissingSourceError, match=r"z 21:22"):
        await reader.read(TileIndex(0, 0, 23, 0))
    await reader.close()


async def test_a_later_time_sample_is_not_the_first_one_again(source: LocalBoss) -> None:
    job = JOB | {"extent": JOB["extent"] | {"t": [0, 3]}}
    reader = await opened(Setup({}, at(source, **NAMES), job, Path()))
    assert np.array_equal(await reader.read(TileIndex(0, 0, 0, 0)), VOLUME[0, :512, :512])
    with pytest.raises(MissingSourceError, match="1 time samples, asked for is t 1"):
        await reader.read(TileIndex(0, 0, 0, 1))
    await reader.close()


async def test_a_chunk_of_the_classic_face_starts_at_the_extent_and_ends_with_it(source: LocalBoss) -> None:
    setup = chunks(source)
    job = JOB | {"extent": {"x": [0, 600], "y": [0, 520], "z": [4, 21], "t": [0, 1]}}

    def read() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        both = ClassicChunks(*pair("Chunk"), Setup({}, setup.params, job, Path()))
        return both.read(0, 0, 0)[1], both.read(1, 1, 1)[1]

    first, last = await asyncio.to_thread(read)
    assert np.array_equal(first, VOLUME[4:20, :512, :512])
    assert np.array_equal(last, VOLUME[16:21, 512:520, 512:])


async def test_the_classic_face_gives_the_tiles_of_the_reader(source: LocalBoss) -> None:
    for index in (TileIndex(0, 0, 0, 0), TileIndex(1, 1, 20, 0)):
        path, body = await asyncio.to_thread(classic_tile, tiles(source), index)
        assert path == ""
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(body))), part(index))


async def test_values_that_no_image_holds_are_refused_by_the_classic_face(source: LocalBoss) -> None:
    await fill(source, np.full((1, 4, 4), 1 << 31, np.uint64), channel="big")
    setup = tiles(source, channel="big")
    with pytest.raises(SourceError, match=r"(?s)2147483648.*volumetric"):
        await asyncio.to_thread(classic_tile, setup, TileIndex(0, 0, 0, 0))


async def test_a_classic_processor_that_goes_takes_its_thread_along(source: LocalBoss) -> None:
    import threading

    def names() -> list[str]:
        return [thread.name for thread in threading.enumerate() if thread.name.startswith("Intern")]

    def use() -> list[str]:
        both = ClassicTiles(*pair("Tile"), tiles(source))
        both.read(TileIndex(0, 0, 0, 0))
        return names()

    assert await asyncio.to_thread(use) == ["InternTileReader"]
    await asyncio.to_thread(gc.collect)
    assert names() == []


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"channel": "hc"}, "hc"),
        ({"collection": "nowhere"}, "nowhere"),
        ({"channel": "../secret"}, "cannot be the name"),
        ({"resolution": 7}, "resolution"),
    ],
)
async def test_a_channel_that_is_not_there_is_told_at_the_start(
    source: LocalBoss, params: dict[str, Any], says: str
) -> None:
    with pytest.raises(SourceError, match=says):
        await opened(tiles(source, **params))


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"x_tile": 1024}, r"x_tile is 1024: must be 512, as ingest_job.tile_size.x"),
        ({"chanel": "ch"}, 'did you mean "channel"'),
        ({"resolution": -1}, "resolution is -1"),
        ({"host": "user@evil/"}, "no address"),
        ({"host": "boss.lab.org"}, "for all to read"),
        ({"protocol": "ftp"}, "protocol"),
        ({"token": "with blanks"}, "characters that no token has"),
    ],
)
async def test_wrong_params_are_told_before_anything_is_asked(
    source: LocalBoss, params: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        await opened(tiles(source, **params))


@pytest.mark.parametrize("uri", ["bossdb://col/exp", "s3://bucket/a/b", "bossdb://a/b/c/fine", ""])
async def test_a_uri_must_name_a_channel(source: LocalBoss, uri: str) -> None:
    with pytest.raises(ConfigError, match="bossdb://collection/experiment/channel"):
        await opened(chunks(source, uri=uri), InternChunkReader)


async def test_a_uri_may_name_the_resolution(source: LocalBoss) -> None:
    reader = await opened(chunks(source, uri="bossdb://col/exp/ch/0/"), InternChunkReader)
    assert reader.locate(Box((0, 0, 0), (1, 2, 3))).endswith("col/exp/ch/0[z 0:1, y 0:2, x 0:3]")
    await reader.close()


def pair(kind: str) -> tuple[str, str]:
    package = "ingestclient.plugins.intern"
    return f"{package}.InternPathProcessor", f"{package}.Intern{kind}Processor"


def classic_tile(setup: Setup, index: TileIndex) -> tuple[str, bytes]:
    return ClassicTiles(*pair("Tile"), setup).read(index)
