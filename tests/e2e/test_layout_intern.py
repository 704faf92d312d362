"""From one Boss into another: the example job files as they are, and what they must not tell anybody."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.settings import Settings
from tests.command import FAR_TOO_LONG_S
from tests.e2e.layouts import EXAMPLES, example_data
from tests.filled_boss import filled_boss
from tests.volumes import Source, pattern

if TYPE_CHECKING:
    from tests.command import Machine


async def test_the_examples_run_on_the_data_made_for_them(machine: Machine, boss: LocalBoss) -> None:
    data = example_data("intern")
    folder = machine.cwd / "demo-data" / "intern"
    await asyncio.to_thread(data.make_intern, folder)
    async with LocalBoss(Settings(dir=folder / "boss")) as source, asyncio.TaskGroup() as both:
        for name in ("intern.json", "intern-chunks.json"):
            both.create_task(run_example(name, source, machine, boss, data.volume()))


async def run_example(
    name: str, source: LocalBoss, machine: Machine, boss: LocalBoss, volume: np.ndarray[Any, Any]
) -> None:
    job = json.loads((EXAMPLES / name).read_text())
    names = job["database"]
    processor = job["client"].get("tile_processor") or job["client"]["chunk_processor"]
    assert processor["params"]["host"] == "127.0.0.1:8123"
    processor["params"]["host"] = source.url.removeprefix("http://")  # 8123 may be taken here
    job["client"]["backend"] |= {"host": boss.url.removeprefix("http://"), "protocol": "http"}
    (machine.cwd / name).write_text(json.dumps(job))
    extent = {axis: job["ingest_job"]["extent"][axis] for axis in "xyz"}
    await boss.prepare(**names, datatype="uint8", extent=extent)
    ended = await machine.run("run", name, "--yes", "--workers", 1)
    assert ended.code == 0, ended.all
    assert np.array_equal(await stored(boss, names, volume.shape), volume)


async def test_a_token_in_the_params_is_told_to_nobody_but_its_boss(
    machine: Machine, boss: LocalBoss, tmp_path: Path
) -> None:
    volume = pattern((17, 30, 40))
    async with filled_boss(tmp_path / "source", volume) as source:
        secret = source.token_for("ann")
        params = {
            "uri": "bossdb://col/exp/ch",
            "host": source.url.removeprefix("http://"),
            "protocol": "http",
        }
        client = {
            "path_processor": {"class": "ingestclient.plugins.intern.InternPathProcessor", "params": {}},
            "chunk_processor": {
                "class": "ingestclient.plugins.intern.InternChunkProcessor",
                "params": {**params, "token": secret},
            },
        }
        job = {
            "ingest_type": "volumetric",
            "resolution": 0,
            "extent": {"x": [0, 40], "y": [0, 30], "z": [0, 17], "t": [0, 1]},
            "chunk_size": {"x": 512, "y": 512, "z": 16},
        }
        into = Source(volume, client, job)
        await into.make_channel(boss)
        config = into.write_job(machine.cwd / "job.json", boss)
        ended = await machine.run("run", config, "--yes", "--workers", 1, "--log-level", "debug")
        assert ended.code == 0, ended.all
        await into.assert_stored(boss)
        config.write_text(config.read_text().replace("col/exp/ch", "col/exp/other"))
        refused = await machine.run("run", config, "--yes", "--log-level", "debug")
        assert refused.code == 4, refused.all
        assert "col/exp/other" in refused.err
    assert secret not in ended.all + refused.all
    kept = [path for path in machine.memory.rglob("*") if path.is_file()]
    kept += [path for path in boss.settings.dir.rglob("*") if path.is_file()]
    assert any(path.suffix == ".log" for path in kept)
    assert [path for path in kept if secret.encode() in path.read_bytes()] == []


READER = """
import sys
import numpy as np
import intern
from intern.remote.boss import BossRemote
from intern.resource.boss.resource import ChannelResource
from intern.service.boss.v1.volume import CacheMode

host, token, target = sys.argv[1:]
remote = BossRemote({"protocol": "http", "host": host, "token": token})
channel = remote.get_project(ChannelResource("ch", "col", "exp"))
box = [5, 700], [1, 599], [3, 19]
cutout = remote.get_cutout(channel, 0, *box, access_mode=CacheMode.no_cache, parallel=False)
array = intern.array("bossdb://col/exp/ch")
np.savez(target, cutout=cutout, array=array[3:19, 1:599, 5:700], shape=array.shape, dtype=str(array.dtype))
"""


async def test_intern_itself_reads_the_same_voxels_from_the_same_boss(tmp_path: Path) -> None:
    pytest.importorskip("intern", reason="needs boss-ingest[intern]")
    from boss_ingest.plugins.intern import InternChunkReader
    from boss_ingest.plugins.reader import Box, Setup

    volume = pattern((20, 600, 700), "uint16")
    script, target = tmp_path / "reader.py", tmp_path / "read.npz"
    script.write_text(READER)
    async with filled_boss(tmp_path / "source", volume) as source:
        host = source.url.removeprefix("http://")
        intern_cfg = tmp_path / ".intern" / "intern.cfg"
        intern_cfg.parent.mkdir()
        intern_cfg.write_text(f"[Default]\nprotocol = http\nhost = {host}\ntoken = {source.token}\n")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "ignore", script, host, source.token, target, env={"HOME": str(tmp_path)}
        )
        async with asyncio.timeout(FAR_TOO_LONG_S):
            assert await process.wait() == 0
        reader = InternChunkReader()
        params = {"uri": "bossdb://col/exp/ch", "host": host, "protocol": "http", "token": source.token}
        await reader.open(Setup({}, params, {}, Path()))
        ours = await reader.read(Box((3, 1, 5), (19, 599, 700)))
        described = await reader.describe()
        await reader.close()
    theirs = np.load(target)
    assert np.array_equal(theirs["cutout"], ours)
    assert np.array_equal(theirs["array"], ours)
    assert theirs["cutout"].dtype == ours.dtype == np.uint16
    assert tuple(theirs["shape"]) == described.shape_zyx
    assert str(theirs["dtype"]) == described.dtype


async def stored(
    boss: LocalBoss, names: dict[str, str], shape_zyx: tuple[int, int, int]
) -> np.ndarray[Any, Any]:
    import blosc
    from pydantic import SecretStr

    from boss_ingest.boss.client import BossClient
    from boss_ingest.config.extent import Extent, Span

    z, y, x = shape_zyx
    extent = Extent(x=Span(0, x), y=Span(0, y), z=Span(0, z), t=Span(0, 1))
    async with BossClient(boss.url, SecretStr(boss.token)) as client:
        buffer = await client.cutout(*names.values(), resolution=0, extent=extent)
    return np.frombuffer(blosc.decompress(buffer), np.uint8).reshape(shape_zyx)
