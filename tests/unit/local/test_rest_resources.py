"""Collections, frames, experiments and channels: made, shown, refused, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.local_jobs import Client

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss

FRAME = {
    "name": "f", "description": "d", "x_start": 0, "x_stop": 10, "y_start": 0, "y_stop": 10, "z_start": 0,
    "z_stop": 10, "x_voxel_size": 4, "y_voxel_size": 4, "z_voxel_size": 40, "voxel_unit": "nanometers",
}  # fmt: skip


async def test_resources_are_shown_as_they_were_made(client: Client) -> None:
    assert (await client.ask("POST", "/v1/collection/c", {"description": "mine"}))[0] == 201
    assert await client.ask("POST", "/v1/coord/f/", FRAME) == (201, FRAME)
    status, experiment = await client.ask("POST", "/v1/collection/c/experiment/e", {"coord_frame": "f"})
    assert (status, experiment["num_time_samples"], experiment["time_step"]) == (201, 1, None)
    path = "/v1/collection/c/experiment/e/channel/ch/"
    status, channel = await client.ask("POST", path, {"name": "other", "type": "image", "datatype": "uint16"})
    assert (status, channel["name"], channel["storage_type"], channel["bucket"]) == (201, "ch", "spdb", None)
    assert await client.ask("GET", path) == (200, channel)
    assert (await client.ask("GET", "/v1/collection/c/experiment/e"))[1]["channels"] == ["ch"]
    assert (await client.ask("GET", "/v1/collection/c/"))[1] == {
        "name": "c", "public": False, "description": "mine", "experiments": ["e"], "creator": "local",
    }  # fmt: skip
    assert (await client.ask("GET", "/v1/coord/?owner=true"))[1]["coords"][-1] == "f"


CHANNEL = "collection/col/experiment/exp/channel/x"


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("coord/g", {**FRAME, "voxel_unit": "feet"}, 400, 1003),
        ("coord/g", {**FRAME, "x_stop": None}, 400, 1003),
        ("coord/g", {**FRAME, "x_stop": 1.5}, 400, 1003),
        ("collection/col", {}, 400, 1003),
        ("collection/bad%20name", {}, 400, 1003),
        ("collection/col/experiment/e2", {}, 400, 1003),
        ("collection/col/experiment/e2", {"coord_frame": "unknown"}, 404, 4000),
        ("collection/nope/experiment/e2", {"coord_frame": "f"}, 404, 4000),
        (CHANNEL, {"type": "image", "datatype": "float32"}, 400, 1003),
        (CHANNEL, {"type": "image"}, 400, 1003),
        (CHANNEL, {"type": "image", "datatype": "uint8", "sources": ["y"]}, 400, 1003),
        (CHANNEL,
         {"type": "image", "datatype": "uint8", "default_time_sample": 3}, 400, 1003),
        (CHANNEL, {"type": "image", "datatype": "uint8", "bucket": "b"}, 403, 3001),
    ],
)  # fmt: skip
async def test_a_resource_that_will_not_do_is_refused(
    client: Client, path: str, body: Any, status: int, code: int
) -> None:
    answered, answer = await client.ask("POST", f"/v1/{path}", body)
    assert (answered, answer["code"]) == (status, code), answer


async def test_what_is_in_use_is_not_deleted_and_a_deleted_name_stays_taken(
    client: Client, boss: LocalBoss
) -> None:
    assert (await client.ask("DELETE", "/v1/collection/col"))[1]["code"] == 4003
    assert (await client.ask("DELETE", "/v1/coord/col_exp_frame"))[1]["code"] == 4003
    path = "/v1/collection/col/experiment/exp/channel/ch"
    async with Client(boss, "mallory") as mallory:
        assert (await mallory.ask("DELETE", path))[1]["code"] == 3001
    assert (await client.ask("DELETE", path))[0] == 204
    assert (await client.ask("GET", path))[1]["code"] == 4005
    assert (await client.ask("POST", path, {"type": "image", "datatype": "uint8"}))[1]["code"] == 1003


async def test_unknown_names_and_strangers_are_refused(client: Client, boss: LocalBoss) -> None:
    assert (await client.ask("GET", "/v1/collection/nope"))[1]["message"] == "nope does not exist."
    async with Client(boss, None) as nobody:
        assert (await nobody.ask("GET", "/v1/collection/col"))[1]["code"] == 3001
        assert (await nobody.ask("POST", "/v1/collection/x", {}))[0] == 401
