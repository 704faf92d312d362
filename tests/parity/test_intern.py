"""A channel of another Boss against the original, which reads it with the intern package."""

from __future__ import annotations

from pathlib import Path

import pytest

from boss_ingest.local.boss import LocalBoss
from boss_ingest.plugins import intern_requests
from tests.filled_boss import fill, filled_boss
from tests.parity.case import Case, Index, chunk_job, tile_job
from tests.parity.comparing import compare
from tests.volumes import pattern

pytestmark = pytest.mark.peer

SHAPE_ZYX = (20, 30, 40)
TILE_XY = (16, 12)
CHUNK_XYZ = (16, 16, 8)
TILES: list[Index] = [(x, y, z, 0) for z in (0, 19) for y in (0, 1, 2) for x in (0, 1, 2)]
CORNERS: list[Index] = [(x, y, z, 0) for z in (0, 2) for y in (0, 1) for x in (0, 2)]


def configure(home: Path, boss: LocalBoss, monkeypatch: pytest.MonkeyPatch, *, token: str = "") -> None:
    """Write what intern reads, which finds the Boss for both."""
    (home / ".intern").mkdir(parents=True)
    host = boss.url.removeprefix("http://")
    text = f"[Default]\nprotocol = http\nhost = {host}\ntoken = {token or boss.token}\n"
    (home / ".intern/intern.cfg").write_text(text)
    monkeypatch.setenv("HOME", str(home))


async def test_tiles_of_a_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with filled_boss(tmp_path / "boss", pattern(SHAPE_ZYX)) as boss:
        await fill(boss, pattern(SHAPE_ZYX, "uint64") % 10**9, channel="labels")
        configure(tmp_path, boss, monkeypatch)
        plain = Case(
            name="uint8",
            processor="intern.InternTileProcessor",
            path="intern.InternPathProcessor",
            params={
                "collection": "col",
                "experiment": "exp",
                "channel": "ch",
                "resolution": 0,
                **{f"{axis}_offset": 0 for axis in "xyz"},
                "x_tile": TILE_XY[0],
                "y_tile": TILE_XY[1],
            },
            ingest_job=tile_job(TILE_XY, x=(0, 40), y=(0, 30), z=(0, 20)),
            indices=TILES,
        )
        narrow = tile_job((1, 12), x=(0, 40), y=(0, 30), z=(0, 20))
        await compare(
            [
                plain,
                plain.but("uint64", params={"channel": "labels"}, indices=[(0, 0, 0, 0), (1, 1, 19, 0)]),
                plain.but(
                    "positive offsets",
                    params={"x_offset": 5, "y_offset": 3, "z_offset": 1},
                    indices=[(0, 0, 0, 0), (1, 1, 18, 0)],
                ),
                plain.but(
                    "before the first slice", params={"z_offset": -2}, indices=[(0, 0, 1, 0), (0, 0, 2, 0)]
                ),
                plain.but("begins before the channel", params={"x_offset": -5}, indices=[(0, 0, 0, 0)]),
                plain.but("wholly beyond the channel", indices=[(3, 0, 0, 0), (0, 0, 20, 0)]),
                plain.but("one voxel wide", params={"x_tile": 1}, ingest_job=narrow, indices=[(7, 1, 3, 0)]),
                plain.but(
                    "second time sample",
                    ingest_job={"extent": {**plain.ingest_job["extent"], "t": [0, 2]}},
                    indices=[(0, 0, 0, 1)],
                ),
                plain.but("channel that is not there", params={"channel": "none"}, indices=[(0, 0, 0, 0)]),
            ],
            tmp_path,
        )


async def test_chunks_of_a_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with filled_boss(tmp_path / "boss", pattern(SHAPE_ZYX)) as boss:
        await fill(boss, pattern(SHAPE_ZYX, "uint16"), channel="deep")
        await fill(boss, pattern(SHAPE_ZYX, "uint64"), channel="labels")
        configure(tmp_path, boss, monkeypatch)
        x, y, z = SHAPE_ZYX[::-1]
        plain = Case(
            name="uint8",
            processor="intern.InternChunkProcessor",
            path="intern.InternPathProcessor",
            params={"uri": "bossdb://col/exp/ch"},
            ingest_job=chunk_job(CHUNK_XYZ, x=(0, x), y=(0, y), z=(0, z)),
            indices=CORNERS,
        )
        await compare(
            [
                plain,
                plain.but("uint16", params={"uri": "bossdb://col/exp/deep"}),
                plain.but("uint64, resolution in the uri", params={"uri": "bossdb://col/exp/labels/0"}),
                plain.but(
                    "extent smaller than the channel",
                    ingest_job=chunk_job(CHUNK_XYZ, x=(0, 20), y=(0, 20), z=(0, 10)),
                    indices=[(0, 0, 0, 0), (1, 1, 1, 0)],
                ),
                plain.but(
                    "start in the middle of a chunk",
                    ingest_job=chunk_job(CHUNK_XYZ, x=(8, x), y=(0, y), z=(4, z)),
                    indices=[(0, 0, 0, 0), (1, 0, 1, 0)],
                ),
                plain.but(
                    "one voxel deep",
                    ingest_job=chunk_job((16, 16, 1), x=(0, x), y=(0, y), z=(0, z)),
                    indices=[(0, 0, 3, 0)],
                ),
                plain.but(
                    "one voxel wide and deep",
                    ingest_job=chunk_job((1, 16, 1), x=(0, x), y=(0, y), z=(0, z)),
                    indices=[(3, 0, 3, 0)],
                ),
                plain.but("beyond the channel", indices=[(3, 0, 0, 0)]),
                plain.but(
                    "channel that is not there",
                    params={"uri": "bossdb://col/exp/none"},
                    indices=[(0, 0, 0, 0)],
                ),
            ],
            tmp_path,
        )


async def test_a_token_in_the_params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any in intern's own configuration that the Boss would accept."""
    monkeypatch.setattr(intern_requests, "FIRST_PAUSE_S", 0.001)
    async with filled_boss(tmp_path / "boss", pattern(SHAPE_ZYX)) as boss:
        configure(tmp_path, boss, monkeypatch, token="wrong")
        given = {"token": boss.token, "host": boss.url.removeprefix("http://"), "protocol": "http"}
        x, y, z = SHAPE_ZYX[::-1]
        case = Case(
            name="token, host and protocol in the params",
            processor="intern.InternChunkProcessor",
            path="intern.InternPathProcessor",
            params={"uri": "bossdb://col/exp/ch", **given},
            ingest_job=chunk_job(CHUNK_XYZ, x=(0, x), y=(0, y), z=(0, z)),
            indices=[(0, 0, 0, 0)],
        )
        await compare([case], tmp_path)
