"""Plugins that raise, hang, die, or return what they must not: that task is set aside, the others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from boss_ingest.boss.keys import ChunkKey
from boss_ingest.errors import ExitCode
from tests.fault import bad_plugins
from tests.fault.bad_plugins import (
    CHUNK_READER_WRONGS,
    CHUNK_WRONGS,
    SIDE,
    SLICES,
    TILE_READER_WRONGS,
    TILE_WRONGS,
    block,
    tile,
)
from tests.volumes import Source, chunk_job, tile_job

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fault.ground import Ground, Run

PLUGINS = bad_plugins.__name__
HANGS_S = 8.0  # a good read on a busy machine takes less


async def tiles(
    ground: Ground,
    processor: str,
    *,
    slices: int = SLICES,
    params: dict[str, str] | None = None,
    **options: Any,
) -> Run:
    volume = np.stack([tile(z) for z in range(slices)])
    client = {
        "path_processor": {"class": f"{PLUGINS}.Nowhere", "params": {}},
        "tile_processor": {"class": f"{PLUGINS}.{processor}", "params": params or {}},
    }
    source = Source(volume, client, tile_job(volume, SIDE))
    await source.make_channel(ground.boss)
    job = source.write_job(ground.folder / "job.json", ground.boss)
    return await ground.ingest(job, manual_complete=True, **options)


async def chunks(ground: Ground, processor: str, count: int, **options: Any) -> Run:
    volume = np.concatenate([block(x) for x in range(count)], axis=2)
    client = {
        "path_processor": {"class": f"{PLUGINS}.Nowhere", "params": {}},
        "chunk_processor": {"class": f"{PLUGINS}.{processor}", "params": {}},
    }
    source = Source(volume, client, chunk_job(volume, (SIDE, SIDE, 16)))
    await source.make_channel(ground.boss)
    job = source.write_job(ground.folder / "job.json", ground.boss)
    run = await ground.ingest(job, manual_complete=True, **options)
    if run.exit_code == 0:
        await source.assert_stored(ground.boss)
    return run


def chunks_set_aside(run: Run) -> dict[int, str]:
    return {ChunkKey.decode(event.key).x: str(event.error) for event in run.tally.set_aside.first}


async def test_a_classic_tile_processor_can_spoil_only_its_own_tiles(ground: Ground) -> None:
    run = await tiles(ground, "BadTiles", workers=2, attempts=2)
    assert run.exit_code == ExitCode.SET_ASIDE
    assert run.set_aside.keys() == TILE_WRONGS.keys()
    stored = ground.stored_tiles()
    assert stored.keys() == set(range(SLICES)) - TILE_WRONGS.keys()
    assert all(np.array_equal(image, tile(z)) for z, image in stored.items())
    assert ground.left_in_queue(run.job_id) == len(TILE_WRONGS)
    for z, word in [(1, "boom"), (3, "died"), (4, "NoneType"), (5, "no/such/file.png"), (6, "closed file"),
                    (7, "rb"), (8, "empty"), (9, "512 rows × 511 columns"), (11, "ndarray"),
                    (14, "root_dir")]:  # fmt: skip
        assert word in run.set_aside[z], run.set_aside[z]
    assert "bad_plugins.py" in run.set_aside[1], "the place in the plugin is named"


async def test_a_plugin_that_hangs_is_ended_and_its_worker_replaced(ground: Ground) -> None:
    run = await tiles(ground, "HangingTiles", slices=4, workers=1, attempts=1, read_timeout_s=HANGS_S)
    assert run.exit_code == ExitCode.SET_ASIDE
    assert run.set_aside.keys() == {1}
    assert "more than 8 s" in run.set_aside[1]
    assert ground.stored_tiles().keys() == {0, 2, 3}


async def test_a_tile_on_which_a_plugin_hung_once_is_read_by_another_worker(ground: Ground) -> None:
    marker = ground.folder / "hung"
    run = await tiles(
        ground,
        "HangingOnceTiles",
        slices=4,
        params={"marker": str(marker)},
        workers=1,
        attempts=2,
        read_timeout_s=HANGS_S,
    )
    assert run.exit_code == 0, run.error
    assert marker.exists()
    assert ground.stored_tiles().keys() == {0, 1, 2, 3}
    assert ground.left_in_queue(run.job_id) == 0


async def test_a_plugin_that_cannot_be_set_up_ends_the_run_before_it_begins(ground: Ground) -> None:
    run = await tiles(ground, "BrokenSetup", slices=4)
    assert run.exit_code == ExitCode.CONFIG
    assert "KeyError: 'server'" in str(run.error)
    assert "client.tile_processor" in str(run.error)
    assert ground.left_in_queue(run.job_id) == 4


async def test_a_classic_chunk_processor_can_spoil_only_its_own_chunks(ground: Ground) -> None:
    run = await chunks(ground, "BadChunks", 14, workers=2, attempts=2)
    assert run.exit_code == ExitCode.SET_ASIDE
    aside = chunks_set_aside(run)
    assert aside.keys() == CHUNK_WRONGS.keys()
    assert len(ground.stored_cuboids()) == 2
    assert ground.left_in_queue(run.job_id) == len(CHUNK_WRONGS)
    for x, word in [(1, "boom"), (2, "NoneType"), (3, "order 77"), (4, "16 × 512 × 511"), (5, "float"),
                    (6, "-"), (7, "uint8"), (8, "2 time samples"), (9, "2 time samples"),
                    (12, "died")]:  # fmt: skip
        assert word in aside[x], aside[x]


async def test_every_order_of_axes_is_stored_as_the_same_voxels(ground: Ground) -> None:
    assert (await chunks(ground, "TransposedChunks", 3)).exit_code == 0


async def test_an_async_tile_reader_can_spoil_only_its_own_tiles(ground: Ground) -> None:
    run = await tiles(ground, "BadTileReader", attempts=2)
    assert run.exit_code == ExitCode.SET_ASIDE, run.error
    assert run.set_aside.keys() == TILE_READER_WRONGS.keys()
    assert ground.stored_tiles().keys() == set(range(SLICES)) - TILE_READER_WRONGS.keys()
    for z, word in [(1, "boom"), (2, "NoneType"), (3, "list"), (8, "str"), (9, "not an image"),
                    (11, "of the reader's own"), (13, "cancelled"), (14, "1000000000 rows")]:  # fmt: skip
        assert word in run.set_aside[z], run.set_aside[z]


async def test_an_async_chunk_reader_can_spoil_only_its_own_chunks(ground: Ground) -> None:
    run = await chunks(ground, "BadChunkReader", 12, attempts=2)
    assert run.exit_code == ExitCode.SET_ASIDE, run.error
    aside = chunks_set_aside(run)
    assert aside.keys() == CHUNK_READER_WRONGS.keys()
    assert len(ground.stored_cuboids()) == 2
    for x, word in [(1, "boom"), (2, "NoneType"), (3, "list"), (8, "str"), (9, "tuple")]:
        assert word in aside[x], aside[x]


async def test_a_reader_that_hangs_costs_only_its_own_tile(ground: Ground) -> None:
    run = await tiles(ground, "HangingTileReader", slices=4, attempts=1, read_timeout_s=HANGS_S)
    assert run.exit_code == ExitCode.SET_ASIDE
    assert run.set_aside.keys() == {1}
    assert "did not answer" in run.set_aside[1]


async def test_a_reader_that_cannot_be_opened_ends_the_run_in_words(ground: Ground) -> None:
    run = await tiles(ground, "UnopenableTileReader", slices=4)
    assert run.error is not None
    assert "the server of the images is down" in str(run.error)
    assert ground.left_in_queue(run.job_id) == 4


async def test_a_reader_that_cannot_be_made_ends_the_run_in_words(ground: Ground) -> None:
    run = await tiles(ground, "UnmakeableTileReader", slices=4)
    assert run.exit_code == ExitCode.CONFIG
    assert "KeyError: 'LAB_SERVER'" in str(run.error)


@pytest.mark.parametrize("reader", ["UncloseableTileReader", "HangingInCloseTileReader"])
async def test_what_goes_wrong_in_close_spoils_nothing_that_was_done(ground: Ground, reader: str) -> None:
    run = await tiles(ground, reader, slices=4, read_timeout_s=HANGS_S)
    assert run.exit_code == 0
    assert len(ground.stored_tiles()) == 4


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    monkeypatch.syspath_prepend(str(request.config.rootpath))
    return request.config.rootpath
