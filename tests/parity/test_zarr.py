"""Zarr arrays in a bucket against the original's, which reads none on a disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorstore

from tests.contract.moto_server import running_moto, second_opinion
from tests.parity.case import Case, Index, chunk_job
from tests.parity.comparing import compare
from tests.volumes import pattern

pytestmark = pytest.mark.peer

SHAPE_ZYX = (20, 30, 40)
CHUNK_XYZ = (16, 16, 8)


async def test_a_zarr_array_in_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {"AWS_ACCESS_KEY_ID": "admin", "AWS_SECRET_ACCESS_KEY": "admin", "AWS_DEFAULT_REGION": "us-east-1"}
    with running_moto() as url:
        env = {**keys, "AWS_ENDPOINT_URL": url}
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        second_opinion("s3", url).create_bucket(Bucket="lab")
        await write(tmp_path, url)
        x, y, z = SHAPE_ZYX[::-1]
        corners: list[Index] = [(a, b, c, 0) for c in (0, 2) for b in (0, 1) for a in (0, 2)]
        plain = Case(
            name="uint16",
            processor="zarr.ZarrChunkProcessor",
            path="zarr.ZarrPathProcessor",
            params={"cloud_path": "s3://lab/volumes", "volume_name": "em"},
            ingest_job=chunk_job(CHUNK_XYZ, x=(0, x), y=(0, y), z=(0, z)),
            indices=corners,
        )
        await compare(
            [
                plain,
                plain.but("uint8, nested group", params={"volume_name": "more/em"}),
                plain.but("uint64", params={"volume_name": "labels"}),
                plain.but(
                    "start in the middle of a chunk",
                    ingest_job=chunk_job(CHUNK_XYZ, x=(8, x), y=(0, y), z=(4, z)),
                    indices=[(0, 0, 0, 0), (1, 0, 1, 0)],
                ),
                plain.but(
                    "extent smaller than the array",
                    ingest_job=chunk_job(CHUNK_XYZ, x=(0, 20), y=(0, 20), z=(0, 10)),
                    indices=[(0, 0, 0, 0), (1, 1, 1, 0)],
                ),
                plain.but("beyond the array", indices=[(3, 0, 0, 0)]),
                plain.but("array that is not there", params={"volume_name": "none"}, indices=[(0, 0, 0, 0)]),
            ],
            tmp_path,
            env,
        )


async def write(folder: Path, url: str) -> None:
    """Three arrays of format 2 in groups, uploaded by boto3."""
    for name, dtype in (("em", "uint16"), ("more/em", "uint8"), ("labels", "uint64")):
        path = folder / "volumes" / name
        path.mkdir(parents=True)
        for group in path.relative_to(folder).parents[:-1]:
            (folder / group / ".zgroup").write_text('{"zarr_format": 2}')
        spec = {
            "driver": "zarr",
            "kvstore": {"driver": "file", "path": str(path)},
            "metadata": {"chunks": [8, 16, 16]},
        }
        array = await tensorstore.open(spec, create=True, dtype=dtype, shape=SHAPE_ZYX)
        await array.write(pattern(SHAPE_ZYX, dtype))
    for file in (folder / "volumes").rglob("*"):
        if file.is_file():
            key = str(file.relative_to(folder))
            second_opinion("s3", url).put_object(Bucket="lab", Key=key, Body=file.read_bytes())
