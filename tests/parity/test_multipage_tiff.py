"""TIFF files of many pages against the original's."""

from __future__ import annotations

from pathlib import Path

import pytest
import tifffile

from tests.parity.case import Case, Index, tile_job
from tests.parity.comparing import compare
from tests.volumes import pattern

pytestmark = pytest.mark.peer

X, Y, TILE_XY = 40, 30, (16, 12)


@pytest.mark.parametrize("dtype", ["uint16", "uint8"])
async def test_a_page_a_time_sample(tmp_path: Path, dtype: str) -> None:
    pages = pattern((2, 3, Y, X), dtype)  # z t y x
    for z, series in enumerate(pages):
        tifffile.imwrite(tmp_path / f"{z}.tif", series, photometric="minisblack")
    plain = Case(
        name=dtype,
        processor="multipage_tiff.SingleTimeTiffTileProcessor",
        path="multipage_tiff.SingleTimeTiffPathProcessor",
        path_params={f"z_{z}": str(tmp_path / f"{z}.tif") for z in range(2)},
        params={"datatype": dtype},
        ingest_job=tile_job(TILE_XY, x=(0, X), y=(0, Y), z=(0, 2), t=(0, 3)),
        indices=[(x, y, z, t) for z, t in ((0, 0), (1, 2)) for y in (0, 1, 2) for x in (0, 1, 2)],
    )
    whole = tile_job((X, Y), x=(0, X), y=(0, Y), z=(0, 2), t=(0, 3))
    outside: list[Index] = [(0, 0, 2, 0), (0, 0, 0, 3), (3, 0, 0, 0)]
    await compare(
        [
            plain,
            plain.but(f"{dtype}, a tile a page", ingest_job=whole, indices=[(0, 0, 0, 0), (0, 0, 1, 2)]),
            plain.but(f"{dtype}, outside of the job", indices=outside),
        ],
        tmp_path,
    )


async def test_a_hyperstack_in_many_files(tmp_path: Path) -> None:
    frames = pattern((12, Y, X), "uint16")
    for number in range(3):
        tifffile.imwrite(
            tmp_path / f"s{number + 5:03}.tif", frames[4 * number : 4 * number + 4], photometric="minisblack"
        )
    eight = pattern((4, Y, X))
    tifffile.imwrite(tmp_path / "e0.tif", eight, photometric="minisblack")
    for number in range(2):
        tifffile.imwrite(tmp_path / f"m{number}.tif", frames[:8] + number, photometric="minisblack")
    plain = Case(
        name="one slice, one channel",
        processor="multipage_tiff.TiffMultiFileHyperStackTileProcessor",
        path="multipage_tiff.TiffMultiFileHyperStackPathProcessor",
        path_params={
            "root_dir": str(tmp_path),
            "extension": "tif",
            "base_filename": "s<o:5p:3>",
            "time_chunk_size": 4,
        },
        params={
            "time_chunk_size": 4,
            "num_z_slices": 1,
            "num_channels": 1,
            "channel_index": 0,
            "filesystem": "local",
        },
        ingest_job=tile_job((X, Y), x=(0, X), y=(0, Y), z=(0, 2), t=(0, 12)),
        indices=[(0, 0, 0, t) for t in (0, 3, 4, 11)],
    )
    many = {"num_z_slices": 2, "num_channels": 2, "channel_index": 1, "time_chunk_size": 2}
    await compare(
        [
            plain,
            plain.but("8 bits", path_params={"base_filename": "e<>"}, indices=[(0, 0, 0, 0), (0, 0, 0, 3)]),
            plain.but(
                "two slices, two channels",
                path_params={"base_filename": "m<>", "time_chunk_size": 2},
                params=many,
                indices=[(0, 0, z, t) for z in (0, 1) for t in (0, 1, 2)],
            ),
            plain.but("file that is not there", indices=[(0, 0, 0, 12)]),
        ],
        tmp_path,
    )
