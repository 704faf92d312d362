"""Resources are read and created as the Boss words them, and voxels are read back as it sent them."""

from __future__ import annotations

import json

import pytest

from boss_ingest.boss.answers import BossRefusedError, ResourceMissingError
from boss_ingest.boss.client import BossClient
from boss_ingest.boss.resources import Channel, Collection, CoordinateFrame, Experiment
from boss_ingest.config.extent import Extent, Span
from boss_ingest.errors import ConfigError, GaveUpError, NotAllowedError
from tests.scripted_boss import BROKEN, Reply, ScriptedBoss, refusal

CHANNEL = {
    "name": "ch", "public": False, "description": "", "experiment": "e", "default_time_sample": 0,
    "type": "image", "base_resolution": 1, "datatype": "uint16", "creator": "me", "sources": ["raw"],
    "downsample_status": "NOT_DOWNSAMPLED", "related": [], "storage_type": "spdb", "bucket": None,
    "cv_path": None,
}  # fmt: skip
FRAME = {
    "name": "cf", "description": "text", "x_start": 0, "x_stop": 8192, "y_start": 0, "y_stop": 8192,
    "z_start": 0, "z_stop": 500, "x_voxel_size": 4.0, "y_voxel_size": 4.0, "z_voxel_size": 40.0,
    "voxel_unit": "nanometers",
}  # fmt: skip
EXPERIMENT = {
    "channels": ["ch"], "name": "e", "public": False, "description": "", "collection": "c",
    "coord_frame": "cf",
    "num_hierarchy_levels": 1, "hierarchy_method": "anisotropic", "num_time_samples": 3, "time_step": None,
    "time_step_unit": None, "creator": "me",
}  # fmt: skip


async def test_a_channel_is_read(server: ScriptedBoss, boss: BossClient) -> None:
    server.answers("GET collection/c/experiment/e/channel/ch", Reply(200, CHANNEL))
    channel = await boss.channel("c", "e", "ch")
    assert (channel.collection, channel.experiment, channel.name) == ("c", "e", "ch")
    assert (channel.type, channel.datatype, channel.base_resolution) == ("image", "uint16", 1)
    assert (channel.storage_type, channel.sources) == ("spdb", ("raw",))


async def test_an_experiment_a_frame_and_a_collection_are_read(
    server: ScriptedBoss, boss: BossClient
) -> None:
    server.answers("GET collection/c/experiment/e", Reply(200, EXPERIMENT))
    server.answers("GET coord/cf", Reply(200, FRAME))
    server.answers("GET collection/c", Reply(200, {"name": "c", "description": None, "experiments": ["e"]}))
    assert (await boss.experiment("c", "e")).num_time_samples == 3
    assert (await boss.coordinate_frame("cf")).span("z") == Span(0, 500)
    assert await boss.collection("c") == Collection("c")


async def test_what_is_missing_or_marked_for_deletion_is_told_apart(
    server: ScriptedBoss, boss: BossClient
) -> None:
    server.answers("GET collection/c", refusal(404, 4000, "c does not exist."), refusal(404, 4005))
    for code in ("4000", "4005"):
        with pytest.raises(ResourceMissingError) as caught:
            await boss.collection("c")
        assert caught.value.code == code


async def test_a_resource_without_its_fields_is_given_up_naming_them(
    server: ScriptedBoss, boss: BossClient
) -> None:
    server.answers("GET coord/cf", Reply(200, {"name": "cf", "x_start": "low"}))
    with pytest.raises(GaveUpError, match="wrong or missing: x_start, x_stop, y_start"):
        await boss.coordinate_frame("cf")


async def test_resources_are_created_with_the_bodies_the_boss_wants(
    server: ScriptedBoss, boss: BossClient
) -> None:
    server.answers("POST collection/c", Reply(201, {"name": "c", "description": "d", "creator": "me"}))
    server.answers("POST coord/cf", Reply(201, FRAME))
    server.answers("POST collection/c/experiment/e", Reply(201, EXPERIMENT))
    server.answers("POST collection/c/experiment/e/channel/ch", Reply(201, CHANNEL))
    frame = CoordinateFrame("cf", 0, 8192, 0, 8192, 0, 500, 4, 4, 40, description="text")

    assert (await boss.create_collection(Collection("c", "d"))).creator == "me"
    assert await boss.create_coordinate_frame(frame) == frame
    assert (await boss.create_experiment(Experiment("c", "e", "cf", num_time_samples=3))).creator == "me"
    assert (await boss.create_channel(Channel("c", "e", "ch", "image", "uint16"))).base_resolution == 1

    bodies = [json.loads(asked.body) for asked in server.asked]
    assert bodies == [
        {"name": "c", "description": "d"},
        FRAME,
        {"collection": "c", "name": "e", "coord_frame": "cf", "description": "", "num_hierarchy_levels": 1,
         "hierarchy_method": "anisotropic", "num_time_samples": 3, "time_step": 0.0,
         "time_step_unit": "seconds"},
        {"name": "ch", "type": "image", "datatype": "uint16", "base_resolution": 0, "default_time_sample": 0,
         "description": "", "sources": [], "related": []},
    ]  # fmt: skip


async def test_creating_is_not_repeated(server: ScriptedBoss, boss: BossClient) -> None:
    server.answers("POST collection/c", BROKEN)
    with pytest.raises(GaveUpError, match="creating collection/c") as caught:
        await boss.create_collection(Collection("c"))
    assert "look before creating" in caught.value.hint
    assert len(server.asked) == 1


async def test_a_missing_role_is_told(server: ScriptedBoss, boss: BossClient) -> None:
    server.answers("POST collection/c", refusal(403, 3000, "me does not have the required role"))
    with pytest.raises(NotAllowedError) as caught:
        await boss.create_collection(Collection("c"))
    assert "resource-manager" in caught.value.hint


@pytest.mark.parametrize("name", ["", "a b", "..", "a/b", "a?b", "x" * 256])
async def test_a_name_no_boss_can_have_is_never_sent(
    server: ScriptedBoss, boss: BossClient, name: str
) -> None:
    with pytest.raises(ConfigError):
        await boss.channel("c", name, "ch")
    assert server.asked == []


EXTENT = Extent(Span(0, 512), Span(512, 1024), Span(0, 16), Span(2, 3))
CUTOUT = "GET cutout/c/e/ch/1/0:512/512:1024/0:16/2:3/"


async def test_a_cutout_is_the_buffer_as_sent(server: ScriptedBoss, boss: BossClient) -> None:
    server.answers(CUTOUT, Reply(502), Reply(200, body=b"\x02\x01blosc"))
    assert await boss.cutout("c", "e", "ch", resolution=1, extent=EXTENT) == b"\x02\x01blosc"
    assert server.asked[0].headers["Accept"] == "application/blosc"


async def test_a_cutout_that_is_too_large_is_told(server: ScriptedBoss, boss: BossClient) -> None:
    server.answers(CUTOUT, refusal(413, 2000, "Cutout size is over max threshold"))
    with pytest.raises(BossRefusedError, match="over max threshold"):
        await boss.cutout("c", "e", "ch", resolution=1, extent=EXTENT)
