"""The local Boss as a command: for one run, as a server, and back again after it was killed."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from boss_ingest.boss.answers import ResourceMissingError
from boss_ingest.boss.client import BossClient
from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.settings import Settings
from tests.command import Machine
from tests.fault.kill_boss import free_port
from tests.fault.proxy import FaultProxy, Tell
from tests.volumes import Source, change_job, pattern, zarr_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.command import Running


@pytest.fixture
async def alone(tmp_path: Path) -> AsyncIterator[Machine]:
    """A computer with no token, and no Boss anywhere."""
    async with Machine(tmp_path / "alone") as machine:
        yield machine


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return zarr_source(
        tmp_path_factory.mktemp("small") / "v.zarr", pattern((20, 530, 600), "uint16"), (512, 512, 16)
    )


async def test_run_local_needs_no_boss_no_token_and_no_channel_and_works_twice(
    alone: Machine, small: Source
) -> None:
    config = small.write_job(alone.cwd / "job.json", "https://api.bossdb.io")
    for job_id in (1, 2):
        ended = await alone.run("run", config, "--local", "try", "--yes")
        assert ended.code == 0, ended.all
        assert f"job {job_id}: the job is complete" in ended.out
        assert "col/exp/ch (image, uint16) on the local Boss in try" in ended.err
        assert "bossdb.io" not in ended.err
    async with LocalBoss(Settings(dir=alone.cwd / "try")) as boss:
        await small.assert_stored(boss)
    listed = await alone.run("jobs", "--local", "try", "--json")
    assert [(job["id"], job["state"]) for job in listed.events] == [(1, "COMPLETE"), (2, "COMPLETE")]


async def test_a_dry_run_on_a_local_boss_makes_no_channel_and_tells_of_the_one_it_would(
    alone: Machine, small: Source
) -> None:
    config = small.write_job(alone.cwd / "job.json", "https://api.bossdb.io")
    ended = await alone.run("run", config, "--local", "try", "--dry-run")
    assert ended.code == 0, ended.all
    assert "col/exp/ch (image, uint16) on the local Boss in try" in ended.err
    async with (
        LocalBoss(Settings(dir=alone.cwd / "try")) as boss,
        BossClient(boss.url, SecretStr(boss.token)) as client,
    ):
        with pytest.raises(ResourceMissingError):
            await client.collection("col")


async def test_a_local_job_goes_on_without_being_told_where_it_is(
    alone: Machine, small: Source, tmp_path: Path
) -> None:
    config = small.write_job(alone.cwd / "job.json", "https://api.bossdb.io")
    ended = await alone.run("run", config, "--local", "try", "--yes", "--manual-complete")
    assert ended.code == 0, ended.all
    status = await alone.run("status", "--job-id", 1, "--json", cwd=tmp_path)
    assert json.loads(status.out)["state"] == "UPLOADING"
    ended = await alone.run("join", "--job-id", 1, cwd=tmp_path)
    assert ended.code == 0, ended.all
    assert "bossdb.io" not in ended.err


async def test_a_dry_run_says_that_the_source_is_missing_before_anything_is_made(
    alone: Machine, small: Source
) -> None:
    config = small.write_job(alone.cwd / "job.json", "https://api.bossdb.io")
    change_job(config, "client.chunk_processor.params.volume_name", "missing")
    ended = await alone.run("run", config, "--local", "try", "--dry-run")
    assert ended.code == 4, ended.all
    assert "v.zarr/missing" in ended.err


async def serve(machine: Machine, folder: Path, port: int) -> tuple[Running, str]:
    """Start a server; returns it and its address."""
    running = await machine.start("local", "serve", "--dir", folder, "--port", port, "--json")
    return running, json.loads(await running.says('"url"'))["url"]


async def test_a_server_killed_in_the_middle_and_started_again_costs_the_client_nothing_but_time(
    alone: Machine, slices: Source, tmp_path: Path
) -> None:
    folder = tmp_path / "boss"
    port = free_port()
    server, url = await serve(alone, folder, port)
    token = json.loads(token_text(folder))["token"]
    config = slices.write_job(alone.cwd / "job.json", url)
    await make_channel(url, token)
    dead = asyncio.Event()

    async def kill(_: object) -> None:
        server.kill()
        await server.ended()
        dead.set()

    async with FaultProxy(url) as line:
        line.add("s3.PutObject", Tell("before", kill), after=20)
        alone.env["AWS_ENDPOINT_URL"] = line.url
        options = ("--token-file", folder / "token.json", "--progress", "json", "--concurrency", 4)
        client = await alone.start("run", config, "--yes", *options)
        await dead.wait()
        await client.says('"Retrying"')
        restarted, again = await serve(alone, folder, port)
        assert again == url
        ended = await client.ended()
    assert ended.code == 0, ended.all
    await slices.assert_stored(url, token=token)
    restarted.process.terminate()
    assert (await restarted.ended()).code == 0


def token_text(folder: Path) -> str:
    return (folder / "token.json").read_text()


async def make_channel(url: str, token: str) -> None:
    from pydantic import SecretStr

    from boss_ingest.boss.client import BossClient
    from boss_ingest.boss.resources import Channel, Collection, CoordinateFrame, Experiment

    async with BossClient(url, SecretStr(token)) as boss:
        await boss.create_collection(Collection("col"))
        await boss.create_coordinate_frame(CoordinateFrame("frame", 0, 2048, 0, 2048, 0, 64))
        await boss.create_experiment(Experiment("col", "exp", "frame"))
        await boss.create_channel(Channel("col", "exp", "ch", type="image", datatype="uint8"))


async def test_a_directory_and_a_port_belong_to_one_server(alone: Machine, tmp_path: Path) -> None:
    _, url = await serve(alone, tmp_path / "boss", 0)
    ended = await alone.run("local", "serve", "--dir", tmp_path / "boss", "--port", 0)
    assert ended.code == 2, ended.all
    assert "another local Boss is running" in ended.err
    ended = await alone.run("local", "serve", "--dir", tmp_path / "other", "--port", url.rpartition(":")[2])
    assert ended.code == 2, ended.all
    assert "port" in ended.err


async def test_it_serves_on_loopback_and_cannot_be_told_otherwise(alone: Machine, tmp_path: Path) -> None:
    _, url = await serve(alone, tmp_path / "boss", 0)
    assert url.startswith("http://127.0.0.1:")
    ended = await alone.run("local", "serve", "--dir", tmp_path / "open", "--host", "0.0.0.0")
    assert ended.code == 2, ended.all
