"""Reading back: ranges, limits, and what is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.local_jobs import job_file, png

if TYPE_CHECKING:
    from tests.local_jobs import Client


async def ask(client: Client, path: str, **headers: str) -> tuple[int, int]:
    status, body = await client.ask(
        "GET", f"/v1/cutout/col/exp/{path}", **({"Accept": "application/blosc"} | headers)
    )
    return status, body.get("code", 0) if isinstance(body, dict) else 0


async def test_time_samples_are_an_axis_of_their_own(client: Client) -> None:
    config = job_file(tile=(512, 512), x=[0, 512], y=[0, 512], z=[0, 1], t=[0, 3])
    job = await client.start(config)
    await job.upload(
        lambda task: png(np.full((512, 512), 1 + int(task["tile_key"].split("&")[-1]), np.uint8))
    )
    await client.finish(job.id)
    series = await client.cutout("uint8", x=(0, 4), y=(0, 3), z=(0, 2), t=(0, 3))
    assert series.shape == (3, 2, 3, 4)
    assert list(series[:, 0, 0, 0]) == [1, 2, 3]
    assert (await client.cutout("uint8", x=(0, 4), y=(0, 3), z=(0, 1)))[0, 0, 0] == 1
    assert (await client.cutout("uint8", x=(0, 4), y=(0, 3), z=(0, 1), t=(2, 3))).shape == (1, 1, 3, 4)


async def test_what_was_never_stored_reads_as_zeros(client: Client) -> None:
    assert not (await client.cutout("uint8", x=(500, 600), y=(0, 7), z=(14, 18))).any()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("ch/0/0:4097/0:1/0:1/", 400, 1001),
        ("ch/0/5:5/0:1/0:1/", 400, 1001),
        ("ch/0/0:1/0:1/0:65/", 400, 1001),
        ("ch/0/0:1/0:1/0:1/0:4/", 400, 1001),
        ("ch/1/0:1/0:1/0:1/", 400, 1001),
        ("nope/0/0:1/0:1/0:1/", 404, 4000),
        ("ch/0/0:4096/0:4096/0:33/", 413, 2000),
        ("ch/0/0:1/0:1/0:1/?access-mode=raw&no-cache=true", 400, 1001),
    ],
)
async def test_a_range_that_will_not_do_is_refused(client: Client, path: str, status: int, code: int) -> None:
    assert await ask(client, path) == (status, code)


async def test_only_blosc_is_served(client: Client) -> None:
    assert (await ask(client, "ch/0/0:1/0:1/0:1/", Accept="image/png"))[0] == 406
