"""`--codec` as far as the bucket: what is stored there is packed with it, and unpacks to the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boss_ingest.encode.codec import Codec
from boss_ingest.local.settings import INGEST_BUCKET
from tests.fault.ground import open_ground
from tests.volumes import pattern, zarr_source

if TYPE_CHECKING:
    from pathlib import Path

ZSTD = 4  # as the flags of a blosc buffer number it
BIT_SHUFFLED = 0b100


async def test_cuboids_are_packed_with_the_codec_asked_for(tmp_path: Path) -> None:
    volume = zarr_source(tmp_path / "volume.zarr", pattern((20, 512, 700)), (1024, 512, 32))
    async with open_ground(tmp_path) as ground:
        await volume.make_channel(ground.boss)
        job = volume.write_job(tmp_path / "chunks.json", ground.boss)
        run = await ground.ingest(job, codec=Codec("zstd", 3, "bit"))
        assert run.exit_code == 0, run.error
        bodies = [stored.read() for stored in ground.boss.objects(INGEST_BUCKET)]
        await volume.assert_stored(ground.boss)
    assert bodies
    assert {body[2] >> 5 for body in bodies} == {ZSTD}
    assert all(body[2] & BIT_SHUFFLED for body in bodies)
