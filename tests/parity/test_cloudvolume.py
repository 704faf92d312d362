"""Precomputed volumes against the original's."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorstore

from tests.parity.case import Case, Index, chunk_job
from tests.parity.comparing import compare
from tests.volumes import pattern

pytestmark = pytest.mark.peer

SHAPE_ZYX = (20, 30, 40)
CHUNK_XYZ = (16, 16, 8)
CORNERS: list[Index] = [(x, y, z, 0) for z in (0, 2) for y in (0, 1) for x in (0, 2)]


async def write(
    path: Path, dtype: str, *, channels: int = 1, offset_xyz: tuple[int, int, int] = (0, 0, 0)
) -> str:
    """A precomputed volume of raw chunks; returns its cloudpath."""
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": str(path)},
        "multiscale_metadata": {"data_type": dtype, "num_channels": channels, "type": "image"},
        "scale_metadata": {
            "size": list(SHAPE_ZYX[::-1]),
            "encoding": "raw",
            "chunk_size": [16, 16, 8],
            "resolution": [4, 4, 40],
            "voxel_offset": list(offset_xyz),
        },
    }
    volume = await tensorstore.open(spec, create=True)
    for channel in range(channels):
        await volume[..., channel].write(pattern(SHAPE_ZYX, dtype).transpose(2, 1, 0))
    return f"file://{path}"


async def test_precomputed_volumes(tmp_path: Path) -> None:
    x, y, z = SHAPE_ZYX[::-1]
    plain = Case(
        name="uint8",
        processor="cloudvolume.CloudVolumeChunkProcessor",
        path="cloudvolume.CloudVolumePathProcessor",
        params={"cloudpath": await write(tmp_path / "uint8", "uint8"), "progress": False},
        ingest_job=chunk_job(CHUNK_XYZ, x=(0, x), y=(0, y), z=(0, z)),
        indices=CORNERS,
    )
    shifted = await write(tmp_path / "shifted", "uint8", offset_xyz=(16, 0, 8))
    await compare(
        [
            plain,
            plain.but("uint16", params={"cloudpath": await write(tmp_path / "uint16", "uint16")}),
            plain.but("uint64", params={"cloudpath": await write(tmp_path / "uint64", "uint64")}),
            plain.but("read by cloud-volume", ours={"library": "cloudvolume"}),
            plain.but(
                "extent smaller than the volume",
                ingest_job=chunk_job(CHUNK_XYZ, x=(0, 20), y=(0, 20), z=(0, 10)),
                indices=[(0, 0, 0, 0), (1, 1, 1, 0)],
            ),
            plain.but(
                "start in the middle of a chunk",
                ingest_job=chunk_job(CHUNK_XYZ, x=(8, x), y=(0, y), z=(4, z)),
                indices=[(0, 0, 0, 0), (1, 0, 1, 0)],
            ),
            plain.but(
                "volume that begins elsewhere",
                params={"cloudpath": shifted},
                ingest_job=chunk_job(CHUNK_XYZ, x=(0, 56), y=(0, 30), z=(0, 28)),
                indices=[(1, 0, 1, 0), (3, 1, 3, 0), (0, 0, 0, 0)],
            ),
            plain.but(
                "two channels",
                params={"cloudpath": await write(tmp_path / "two", "uint8", channels=2)},
                indices=[(0, 0, 0, 0)],
            ),
            plain.but("beyond the volume", indices=[(3, 0, 0, 0)]),
            plain.but(
                "volume that is not there",
                params={"cloudpath": f"file://{tmp_path}/none"},
                indices=[(0, 0, 0, 0)],
            ),
        ],
        tmp_path,
    )
