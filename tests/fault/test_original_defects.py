"""One test for each way in which the original client lost or spoiled data; its behaviour would fail here.

Numbered as in the list of its defects: docs/protocol.md tells the rules they broke.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from boss_ingest.engine.events import Substituted
from boss_ingest.local.faults import Call, Http
from boss_ingest.local.settings import TILE_BUCKET
from tests.fault import bad_plugins
from tests.fault.bad_plugins import SIDE, block
from tests.volumes import Source, chunk_job, pattern, slices_source, zarr_source

if TYPE_CHECKING:
    from tests.fault.ground import Ground, Run


async def ingest(ground: Ground, source: Source, **options: Any) -> Run:
    await source.make_channel(ground.boss)
    job = source.write_job(ground.folder / "job.json", ground.boss)
    return await ground.ingest(job, **options)


def lab_chunks(form: str, **params: Any) -> Source:
    """Two chunks of one cuboid each, handed over by a classic plugin in a certain form."""
    name = bad_plugins.__name__
    volume = np.concatenate([block(0), block(1)], axis=2)
    client = {
        "path_processor": {"class": f"{name}.Nowhere", "params": {}},
        "chunk_processor": {"class": f"{name}.FormedChunks", "params": {"form": form, **params}},
    }
    return Source(volume, client, chunk_job(volume, (SIDE, SIDE, 16)))


def replaced(source: Source, z: int, body: bytes) -> None:
    folder = Path(source.client["path_processor"]["params"]["root_dir"])
    (folder / f"z{z:04}_y0_x0.png").write_bytes(body)


def encoded(image: np.ndarray[Any, Any], kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, kind)
    return file.getvalue()


def bodies(ground: Ground) -> list[bytes]:
    return [each.read() for each in ground.boss.objects(TILE_BUCKET)]


@pytest.mark.parametrize("code", ["SlowDown", "AccessDenied", "InternalError"])
async def test_1_a_cuboid_that_was_not_stored_keeps_its_message(
    ground: Ground, volume: Source, chunk_job: Path, code: str
) -> None:
    one_of_four: Any = lambda call: call.key.endswith("&0")  # noqa: E731 - one line says it best
    ground.faults.add("s3.PutObject", Http(403, code), match=one_of_four, times=None)
    run = await ground.ingest(chunk_job, lease_s=1.0, give_up_s=1.0)
    assert run.exit_code in {3, 7}
    assert ground.left_in_queue(run.job_id) == 1
    ground.faults.clear()
    ground.end_leases(run.job_id)
    assert (await ground.ingest(chunk_job, run.job_id)).exit_code == 0
    await volume.assert_stored(ground.boss)


async def test_2_an_array_in_tzyx_order_is_stored_as_it_is(ground: Ground) -> None:
    source = lab_chunks("TZYX")
    assert (await ingest(ground, source)).exit_code == 0
    await source.assert_stored(ground.boss)


async def test_3_an_array_of_another_dtype_is_converted_only_without_loss(ground: Ground) -> None:
    source = lab_chunks("int64")
    assert (await ingest(ground, source)).exit_code == 0
    await source.assert_stored(ground.boss)


async def test_3_values_that_do_not_fit_the_channel_are_never_stored(ground: Ground) -> None:
    run = await ingest(ground, lab_chunks("above 255"))
    assert run.exit_code == 3
    assert ground.stored_cuboids() == set()
    assert ground.left_in_queue(run.job_id) == 2


async def test_4_an_array_of_two_channels_is_refused(ground: Ground) -> None:
    run = await ingest(ground, lab_chunks("two channels"))
    assert run.exit_code == 3
    assert ground.stored_cuboids() == set()
    assert all("2 time samples or channels" in event.error.what for event in run.tally.set_aside.first)


@pytest.mark.parametrize("form", ["too small", "too large"])
async def test_5_an_array_of_the_wrong_shape_is_not_padded_silently(ground: Ground, form: str) -> None:
    run = await ingest(ground, lab_chunks(form))
    assert run.exit_code == 3
    assert ground.stored_cuboids() == set()


async def test_5_only_what_lies_beyond_the_extent_is_padded(ground: Ground, tmp_path: Path) -> None:
    source = zarr_source(tmp_path / "edge.zarr", pattern((21, 300, 600)), (512, 512, 16))
    assert (await ingest(ground, source)).exit_code == 0
    await source.assert_stored(ground.boss)


async def test_6_an_extent_that_starts_inside_a_chunk_is_not_shifted(ground: Ground, tmp_path: Path) -> None:
    volume = pattern((64, 512, 2048))
    source = zarr_source(tmp_path / "late.zarr", volume, (1024, 512, 64), start_zyx=(16, 0, 512))
    assert (await ingest(ground, source)).exit_code == 0
    await source.assert_stored(ground.boss)


async def test_7_edge_tiles_are_padded_to_the_whole_tile_and_stay_in_their_place(
    ground: Ground, tmp_path: Path
) -> None:
    source = slices_source(tmp_path / "edge", pattern((2, 600, 700)), 512)
    assert (await ingest(ground, source)).exit_code == 0
    shapes = {Image.open(io.BytesIO(body)).size for body in bodies(ground)}
    assert shapes == {(512, 512)}
    await source.assert_stored(ground.boss)


async def test_7_a_tile_larger_than_a_tile_is_refused(ground: Ground, slices: Source) -> None:
    replaced(slices, 1, encoded(np.zeros((513, 512), np.uint8), "PNG"))
    run = await ingest(ground, slices)
    assert run.exit_code == 3
    assert run.set_aside.keys() == {1}


async def test_8_a_missing_file_is_an_error(ground: Ground, slices: Source, tmp_path: Path) -> None:
    (tmp_path / "slices/z0001_y0_x0.png").unlink()
    run = await ingest(ground, slices)
    assert run.exit_code == 3
    assert ground.stored_tiles().keys() == {0, 2, 3}
    assert run.tally.substituted == 0


@pytest.mark.parametrize("params", [{"missing": "zeros"}, {"fail_gracefully": True}])
async def test_8_a_missing_file_is_black_only_when_asked_for_and_then_it_is_told(
    ground: Ground, slices: Source, tmp_path: Path, params: dict[str, object]
) -> None:
    (tmp_path / "slices/z0001_y0_x0.png").unlink()
    slices.client["tile_processor"]["params"].update(params)
    run = await ingest(ground, slices, manual_complete=True)
    assert run.exit_code == 0
    assert not ground.stored_tiles()[1].any()
    assert run.tally.substituted == 1
    (event,) = run.of(Substituted)
    assert "z0001_y0_x0.png" in event.what


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"", encoded(np.zeros((512, 512, 3), np.uint8), "PNG")],
    ids=["no image", "empty", "three bands"],
)
async def test_9_what_the_server_could_not_decode_is_never_uploaded(
    ground: Ground, slices: Source, body: bytes
) -> None:
    replaced(slices, 2, body)
    run = await ingest(ground, slices)
    assert run.exit_code == 3
    assert run.set_aside.keys() == {2}
    assert ground.stored_tiles().keys() == {0, 1, 3}
    assert ground.left_in_queue(run.job_id) == 1


async def test_10_sixteen_bits_stay_sixteen_bits(ground: Ground, tmp_path: Path) -> None:
    source = slices_source(tmp_path / "deep", pattern((2, 512, 512), "uint16"), 512)
    run = await ingest(ground, source)
    assert run.exit_code == 0
    assert int(source.volume.max()) > 60_000
    assert run.tally.passed_through == 2
    await source.assert_stored(ground.boss)


async def test_11_keys_that_are_refused_are_not_an_empty_queue(
    ground: Ground, slices: Source, tile_job: Path
) -> None:
    """Twenty-five refused receives, more than the original's nineteen; it then began to complete the job."""
    stored_when_completing: list[int] = []

    def look(_: Call) -> bool:
        stored_when_completing.append(len(ground.stored_tiles()))
        return False

    ground.faults.add("sqs.ReceiveMessage", Http(403, "InvalidClientTokenId"), times=25)
    ground.faults.add("rest.complete", Http(500), match=look)
    run = await ground.ingest(tile_job)
    assert run.exit_code == 0, run.error
    assert stored_when_completing[0] == len(slices.volume)
    await slices.assert_stored(ground.boss)


async def test_12_a_jpeg_is_stored_byte_for_byte(ground: Ground, slices: Source) -> None:
    jpegs = {z: encoded(image, "JPEG") for z, image in enumerate(slices.volume)}
    for z, body in jpegs.items():
        replaced(slices, z, body)
    run = await ingest(ground, slices, manual_complete=True)
    assert run.exit_code == 0
    assert sorted(bodies(ground)) == sorted(jpegs.values())
    assert run.tally.passed_through == len(jpegs)


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    monkeypatch.syspath_prepend(str(request.config.rootpath))
