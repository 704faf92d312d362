"""Bad files among good ones: each is named and set aside, the others stored; mended, a join completes."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from boss_ingest.engine.events import Retrying, SetAside
from boss_ingest.errors import SourceAwayError
from boss_ingest.local.faults import Hold
from boss_ingest.plugins.files import Version
from tests.volumes import Source, change_job, pattern, slices_source, zarr_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.command import Machine
    from tests.fault.ground import Ground

GOOD = pattern((1, 512, 512))[0]


def encoded(image: np.ndarray, kind: str = "PNG", **how: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind, **how)
    return file.getvalue()


def flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


def pages(count: int) -> bytes:
    file = io.BytesIO()
    images = [Image.fromarray(GOOD)] * count
    images[0].save(file, "TIFF", save_all=True, append_images=images[1:])
    return file.getvalue()


def overwritten(body: Callable[[], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(body())


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: path.unlink(), "No such file"),
    "empty": (overwritten(lambda: b""), "is empty"),
    "truncated PNG": (overwritten(lambda: encoded(GOOD)[:1000]), ""),
    "PNG without its end": (overwritten(lambda: encoded(GOOD)[:-20]), ""),
    "PNG with a flipped bit": (overwritten(lambda: flipped(encoded(GOOD), 1500)), ""),
    "truncated TIFF": (overwritten(lambda: encoded(GOOD, "TIFF")[:100_000]), ""),
    "truncated JPEG": (overwritten(lambda: encoded(GOOD, "JPEG")[:3000]), ""),
    "RGB": (overwritten(lambda: encoded(np.stack([GOOD] * 3, axis=-1))), "RGB"),
    "RGBA": (overwritten(lambda: encoded(np.stack([GOOD] * 4, axis=-1))), "RGBA"),
    "too small": (overwritten(lambda: encoded(GOOD[:, :-1])), "512 rows × 511 columns"),
    "too large": (overwritten(lambda: encoded(np.pad(GOOD, ((0, 1), (0, 0))))), "513 rows × 512 columns"),
    "too deep": (overwritten(lambda: encoded(GOOD.astype(np.uint16) + 1000)), "uint8"),
    "float": (overwritten(lambda: encoded(GOOD.astype(np.float32), "TIFF")), "float"),
    "several pages": (overwritten(lambda: pages(3)), "3 pages"),
    "no image": (overwritten(lambda: b"<html>404</html>"), "not an image"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "directory"),
}


def path_of(source: Source, z: int) -> Path:
    return Path(source.client["path_processor"]["params"]["root_dir"]) / f"z{z:04}_y0_x0.png"


def mend(source: Source, z: int) -> None:
    path = path_of(source, z)
    if path.is_dir():
        path.rmdir()
    path.write_bytes(encoded(source.volume[z]))


@pytest.fixture
def many_slices(tmp_path: Path) -> Source:
    """One slice for each way to be bad, and four good ones."""
    return slices_source(tmp_path / "slices", pattern((len(BAD) + 4, 512, 512)), 512)


async def test_every_kind_of_bad_file_is_set_aside_by_name_and_the_good_ones_are_stored(
    ground: Ground, many_slices: Source, tmp_path: Path
) -> None:
    await many_slices.make_channel(ground.boss)
    for z, (spoil, _) in enumerate(BAD.values(), start=2):
        spoil(path_of(many_slices, z))
    job = many_slices.write_job(tmp_path / "tiles.json", ground.boss)
    run = await ground.ingest(job, workers=2)
    assert run.exit_code == 3
    assert run.set_aside.keys() == set(range(2, 2 + len(BAD)))
    for z, (kind, (_, word)) in enumerate(BAD.items(), start=2):
        said = run.set_aside[z]
        assert path_of(many_slices, z).name in said, kind
        assert word in said, kind
        assert "join" not in said, "the summary says how to go back: boss-ingest retry"
    stored = ground.stored_tiles()
    assert stored.keys() == set(range(len(many_slices.volume))) - run.set_aside.keys()
    assert all(np.array_equal(image, many_slices.volume[z]) for z, image in stored.items())
    assert ground.left_in_queue(run.job_id) == len(BAD)

    for z in run.set_aside:
        mend(many_slices, z)
    ground.end_leases(run.job_id)
    assert (await ground.ingest(job, run.job_id)).exit_code == 0
    await many_slices.assert_stored(ground.boss)


async def test_a_file_that_is_written_while_it_is_read_is_read_again_and_stored_as_it_is_in_the_end(
    ground: Ground, slices: Source, tile_job: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = path_of(slices, 2)
    whole = file.read_bytes()
    file.write_bytes(encoded(np.zeros_like(slices.volume[2])))
    really, written = Version.check, []

    def check(version: Version, of: str | int, *, name: str) -> None:
        if name == str(file) and not written:
            written.append(file.write_bytes(whole))  # after it was read, before that is looked at
        really(version, of, name=name)

    monkeypatch.setattr(Version, "check", check)
    run = await ground.ingest(tile_job)
    assert run.exit_code == 0, run.error
    (retried,) = run.of(Retrying)
    assert "z0002_y0_x0.png changed while it was read" in str(retried.error)
    await slices.assert_stored(ground.boss)


async def test_a_folder_that_is_gone_for_some_seconds_sets_nothing_aside(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    """As when a network mount goes away and comes back."""
    folder = path_of(slices, 0).parent
    away = folder.with_name("away")
    hold = Hold()
    ground.faults.add("sqs.ReceiveMessage", hold)
    running = asyncio.create_task(ground.ingest(tile_job, away_s=6.0))
    await hold.arrived.wait()
    folder.rename(away)
    asyncio.get_running_loop().call_later(2.0, away.rename, folder)
    hold.release()
    run = await running
    assert run.exit_code == 0, run.error
    assert {type(event.error) for event in run.of(Retrying)} == {SourceAwayError}
    assert run.of(SetAside) == []
    await slices.assert_stored(ground.boss)


async def test_the_command_ends_with_3_names_the_file_and_joins_again_once_it_is_mended(
    ground: Ground, machine: Machine, slices: Source, tile_job: Path
) -> None:
    path_of(slices, 2).write_bytes(encoded(slices.volume[2])[:-500])
    run = await machine.run("run", tile_job, "--yes", "--progress", "json")
    assert run.code == 3, run.all
    assert "z0002_y0_x0.png" in run.err
    assert "1 task was set aside" in run.out
    assert "boss-ingest retry --job-id 1" in run.err
    assert ground.left_in_queue(1) == 1
    assert json.loads(run.out.splitlines()[-1])["exit_code"] == 3
    assert ground.stored_tiles().keys() == {0, 1, 3}

    mend(slices, 2)
    ground.end_leases(1)
    again = await machine.run("join", "--job-id", 1)
    assert again.code == 0, again.all
    await slices.assert_stored(ground.boss)


async def test_when_every_file_is_bad_the_command_stops_early_and_says_so(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    for z in range(len(slices.volume)):
        path_of(slices, z).unlink()
    run = await ground.ingest(tile_job, hopeless_after=3)
    assert run.exit_code == 3
    assert run.outcome is not None
    assert "all of the first" in run.outcome.why
    assert ground.left_in_queue(run.job_id) == len(slices.volume)


async def test_a_chunk_of_a_damaged_volume_is_set_aside_and_the_others_are_stored(
    ground: Ground, tmp_path: Path
) -> None:
    source = zarr_source(tmp_path / "volume.zarr", pattern((16, 512, 1536)), (512, 512, 16))
    await source.make_channel(ground.boss)
    job = source.write_job(tmp_path / "chunks.json", ground.boss)
    damaged = tmp_path / "volume.zarr/em/0.1.3"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[: len(whole) // 2])
    run = await ground.ingest(job)
    assert run.exit_code == 3, run.error
    (event,) = run.of(SetAside)
    assert "volume.zarr" in event.error.what
    assert len(ground.stored_cuboids()) == 2

    damaged.write_bytes(whole)
    ground.end_leases(run.job_id)
    assert (await ground.ingest(job, run.job_id)).exit_code == 0
    await source.assert_stored(ground.boss)


async def test_a_volume_that_is_gone_in_the_middle_of_a_job_is_set_aside_whatever_missing_says(
    ground: Ground, volume: Source, chunk_job: Path
) -> None:
    """Single chunk files may be missing, and are zeros then; without its metadata it is the disk that is."""
    change_job(chunk_job, "client.chunk_processor.params.missing", "zeros")
    root = chunk_job.parent / "volume.zarr"
    hold = Hold()
    ground.faults.add("sqs.ReceiveMessage", hold)
    running = asyncio.create_task(ground.ingest(chunk_job, away_s=0.5))
    await hold.arrived.wait()
    away = root.rename(root.with_name("away"))
    hold.release()
    run = await running
    assert run.exit_code == 3, run.error
    (event,) = run.of(SetAside)
    assert isinstance(event.error, SourceAwayError)
    assert not ground.stored_cuboids()

    away.rename(root)
    ground.end_leases(run.job_id)
    assert (await ground.ingest(chunk_job, run.job_id)).exit_code == 0
    await volume.assert_stored(ground.boss)
