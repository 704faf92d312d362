"""Chunked arrays into the local Boss: the example job files as they are, and a bucket with a hole in it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.arrays import write_precomputed
from tests.contract.moto_server import running_moto, second_opinion
from tests.e2e.layouts import example, example_data, ingest
from tests.volumes import PLUGINS, Source, chunk_job, pattern

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine


@pytest.mark.parametrize("name", ["array-zarr.json", "ome-zarr.json", "n5.json", "precomputed.json"])
async def test_an_example_runs_on_the_data_made_for_it(name: str, machine: Machine, boss: LocalBoss) -> None:
    data = example_data("array")
    assert name in data.EXAMPLES
    await asyncio.to_thread(data.make_array, machine.cwd / "demo-data" / "array")
    await ingest(example(name, data.expected(name)), machine, boss)


async def test_16_bit_precomputed_from_a_bucket_with_a_hole(
    machine: Machine, boss: LocalBoss, tmp_path: Path
) -> None:
    volume = pattern((32, 520, 530), "uint16")
    write_precomputed(tmp_path / "em", volume, chunk_size=[512, 512, 16])
    hole = "4_4_40/512-530_512-520_16-32"
    volume[16:, 512:, 512:] = 0
    (tmp_path / "em" / hole).unlink()
    with running_moto() as url:
        s3 = second_opinion("s3", url)
        s3.create_bucket(Bucket="lab")
        for file in (tmp_path / "em").rglob("*"):
            if file.is_file():
                s3.upload_file(str(file), "lab", f"em/{file.relative_to(tmp_path / 'em').as_posix()}")
        machine.env |= {"AWS_ACCESS_KEY_ID": "lab", "AWS_SECRET_ACCESS_KEY": "secret"}
        params = {"url": "s3://lab/em", "endpoint_url": url, "missing": "zeros"}
        client = {"chunk_processor": {"class": f"{PLUGINS}.array.ArrayReader", "params": params}}
        ended = await ingest(Source(volume, client, chunk_job(volume, (512, 512, 16))), machine, boss)
    assert "s3://lab/em/4_4_40[z 16:32, y 512:520, x 512:530] is not there" in ended.all
    assert np.count_nonzero(volume) > 0
