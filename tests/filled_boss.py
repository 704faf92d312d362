"""A local Boss that has a volume already, stored as any client would store it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import blosc
import numpy as np

from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.settings import Settings
from tests.local_jobs import NAMES, Client, job_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

CUBOID_ZYX = (16, 512, 512)


@asynccontextmanager
async def filled_boss(
    directory: Path, volume_zyx: NDArray[Any], *, channel: str = "ch"
) -> AsyncIterator[LocalBoss]:
    """A running Boss with `col/exp/<channel>`, whose frame is just the volume."""
    settings = Settings(dir=directory, quiet_period_s=0.01, populate_s=0.0)
    async with LocalBoss(settings) as boss:
        await fill(boss, volume_zyx, channel=channel)
        yield boss


async def fill(boss: LocalBoss, volume_zyx: NDArray[Any], *, channel: str = "ch") -> None:
    """Make the channel and store the volume, as one volumetric job."""
    z, y, x = volume_zyx.shape
    extent = {"x": [0, x], "y": [0, y], "z": [0, z]}
    kind = "annotation" if volume_zyx.dtype == np.uint64 else "image"
    names = NAMES | {"channel": channel}
    await _experiment(boss, extent)
    await boss.prepare(**names, datatype=volume_zyx.dtype.name, extent=extent, channel_type=kind)
    shape = [-(-size // cuboid) * cuboid for size, cuboid in zip(volume_zyx.shape, CUBOID_ZYX, strict=True)]
    padded = np.zeros(shape, volume_zyx.dtype)
    padded[:z, :y, :x] = volume_zyx

    def cuboids(task: dict[str, Any]) -> dict[str, bytes]:
        return {
            one["key"]: blosc.compress(
                padded[one["z"] :, one["y"] :, one["x"] :][:16, :512, :512].tobytes(), typesize=8
            )
            for one in task["cuboids"]
        }

    async with Client(boss) as client:
        config = job_file(chunk=(shape[2], shape[1], shape[0]), x=extent["x"], y=extent["y"], z=extent["z"])
        job = await client.start(config | {"database": names})
        assert await job.upload(cuboids) == 1
        await client.finish(job.id)


async def _experiment(boss: LocalBoss, extent: dict[str, list[int]]) -> None:
    """Make `col/exp` as intern makes it, with a time unit: it reads no experiment without one."""
    frame = {
        f"{axis}_{end}": at
        for axis, span in extent.items()
        for end, at in zip(("start", "stop"), span, strict=True)
    }
    sizes = {f"{axis}_voxel_size": 4.0 for axis in "xyz"}
    samples = {"num_time_samples": 1, "time_step": 0, "time_step_unit": "seconds"}
    async with Client(boss) as client:
        for path, body in (
            ("coord/col_exp_frame", {**frame, **sizes, "voxel_unit": "nanometers"}),
            ("collection/col", {}),
            ("collection/col/experiment/exp", {"coord_frame": "col_exp_frame", **samples}),
        ):
            status, answer = await client.ask("GET", f"/v1/{path}/")
            if status != 200:
                status, answer = await client.ask("POST", f"/v1/{path}/", body)
            assert status in {200, 201}, answer
