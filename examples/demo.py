"""`make demo`: a small volume into a local Boss and back, as tiles and as cuboids, every voxel compared.

Makes a volume that looks like microscopy (smooth structures, sensor noise, edges that fit nothing), runs
the real command line twice, reads both channels back through the Boss's cutout API, and says what it did.
Everything stays in demo-data/, to look at and to try more with.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import blosc
import numpy as np
import tensorstore
from numpy.typing import NDArray
from PIL import Image

from boss_ingest.boss.client import BossClient
from boss_ingest.boss.resources import Channel, Collection, CoordinateFrame, Experiment
from boss_ingest.boss.token import find_token
from boss_ingest.config.extent import Extent, Span

FOLDER = Path("demo-data")
SHAPE_ZYX = (37, 900, 1300)  # whole tiles, chunks and cuboids on no axis
TILE = 512  # as in examples/stack.json
COMMAND = [sys.executable, "-m", "boss_ingest"]
ENVIRONMENT = os.environ | {"BOSS_INGEST_HOME": str(FOLDER / "home")}  # logs, and what it remembers of jobs


def main() -> None:
    """Everything, in order, with the time it took."""
    began_s = time.monotonic()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    step("1  making a volume of {} × {} × {} voxels (x, y, z), uint8".format(*SHAPE_ZYX[::-1]))
    volume = make_volume()
    write_tiles(volume)
    write_zarr(volume)
    step("2  starting a local Boss on demo-data/boss, and making two channels in it")
    with local_boss() as url:
        asyncio.run(make_channels(url))
        for number, job_file in ((3, "examples/stack.json"), (4, "examples/zarr.json")):
            command = ["run", job_file, "--yes", "--host", url, "--token-file", f"{FOLDER}/boss/token.json"]
            step(f"{number}  boss-ingest {' '.join(command)}")
            subprocess.run([*COMMAND, *command], check=True, env=ENVIRONMENT)
        step("5  reading both channels back and comparing every voxel")
        for channel in ("tiles", "cuboids"):
            stored = asyncio.run(read_back(url, channel))
            wrong = int((stored != volume).sum())
            print(f"   {channel}: {volume.size:,} voxels, {wrong} differ")
            if wrong:
                sys.exit(f"{channel} came back different: this is a bug, please report it")
    step(f"It works. That took {time.monotonic() - began_s:.0f} s.\n")
    print(NEXT)


NEXT = f"""What you have now
   {FOLDER}/slices        the source as PNG tiles; examples/stack.json is the job file
   {FOLDER}/volume.zarr   the source as Zarr; examples/zarr.json is the job file
   {FOLDER}/boss          the local Boss, with both channels in it

Try next
   .venv/bin/boss-ingest run examples/stack.json --local {FOLDER}/boss   the same again, asking first
   .venv/bin/boss-ingest jobs --local {FOLDER}/boss                      the jobs it knows
   .venv/bin/boss-ingest --help                                          everything else
To ingest your own data, copy one of the job files; README.md says how."""


def step(text: str) -> None:
    """Say what comes now."""
    print(f"\n{text}", flush=True)


def make_volume() -> NDArray[np.uint8]:
    """Blobs that drift from slice to slice, shading, and noise; uint8, zyx. The same every time."""
    random = np.random.default_rng(20261122)
    z, y, x = (np.arange(size, dtype=np.float32) for size in SHAPE_ZYX)
    values = np.full(SHAPE_ZYX, 128, np.float32)
    values += 25 * np.sin(y / 400)[None, :, None] + 15 * np.cos(x / 300)[None, None, :]
    for _ in range(25):
        centre_y, centre_x = random.uniform(0, SHAPE_ZYX[1]), random.uniform(0, SHAPE_ZYX[2])
        drift_y, drift_x = random.normal(0, 2, 2)
        radius = random.uniform(20, 90)
        in_y = np.exp(-(((y[None, :] - centre_y - drift_y * z[:, None]) / radius) ** 2))
        in_x = np.exp(-(((x[None, :] - centre_x - drift_x * z[:, None]) / radius) ** 2))
        values -= random.uniform(20, 80) * in_y[:, :, None] * in_x[:, None, :]
    values += random.normal(0, 8, SHAPE_ZYX).astype(np.float32)
    return np.clip(values, 0, 255).astype(np.uint8)


def write_tiles(volume: NDArray[np.uint8]) -> None:
    """One PNG a tile; those at the edges are as small as what is left."""
    folder = FOLDER / "slices"
    folder.mkdir()
    _, rows, columns = volume.shape
    for z, image in enumerate(volume):
        for y in range(0, rows, TILE):
            for x in range(0, columns, TILE):
                path = folder / f"z{z:04d}_y{y // TILE}_x{x // TILE}.png"
                Image.fromarray(image[y : y + TILE, x : x + TILE]).save(path, compress_level=1)


def write_zarr(volume: NDArray[np.uint8]) -> None:
    """A Zarr group with one array."""
    (FOLDER / "volume.zarr").mkdir()
    (FOLDER / "volume.zarr/.zgroup").write_text('{"zarr_format": 2}')
    store = {"driver": "file", "path": str(FOLDER / "volume.zarr/em")}
    array = tensorstore.open(
        {"driver": "zarr", "kvstore": store, "metadata": {"chunks": [16, 256, 256]}},
        create=True,
        dtype=tensorstore.uint8,
        shape=volume.shape,
    ).result()
    array.write(volume).result()


@contextmanager
def local_boss() -> Iterator[str]:
    """A local Boss in a process of its own, as `boss-ingest local serve` starts it; gives its URL."""
    serve = [
        "local",
        "serve",
        "--dir",
        str(FOLDER / "boss"),
        "--port",
        "0",
        "--json",
        "--while-stdin-is-open",
    ]
    with subprocess.Popen([*COMMAND, *serve], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["url"]
        finally:
            process.stdin.close()


def connect(url: str) -> BossClient:
    """A client of the local Boss, with the token it keeps beside its data."""
    boss_dir = FOLDER / "boss"
    token = find_token(token_file=boss_dir / "token.json", env={}, home=boss_dir, cwd=boss_dir)
    return BossClient(url, token.secret)


async def make_channels(url: str) -> None:
    """What on a real Boss somebody with the right role has done before."""
    z, y, x = SHAPE_ZYX
    async with connect(url) as boss:
        await boss.create_collection(Collection("demo"))
        await boss.create_coordinate_frame(CoordinateFrame("demo_frame", 0, x, 0, y, 0, z))
        await boss.create_experiment(Experiment("demo", "blobs", "demo_frame"))
        for channel in ("tiles", "cuboids"):
            await boss.create_channel(Channel("demo", "blobs", channel, type="image", datatype="uint8"))


async def read_back(url: str, channel: str) -> NDArray[np.uint8]:
    """The whole channel through the Boss's cutout API; zyx."""
    z, y, x = SHAPE_ZYX
    async with connect(url) as boss:
        extent = Extent(Span(0, x), Span(0, y), Span(0, z), Span(0, 1))
        buffer = await boss.cutout("demo", "blobs", channel, resolution=0, extent=extent)
    return np.frombuffer(blosc.decompress(buffer), np.uint8).reshape(SHAPE_ZYX)


if __name__ == "__main__":
    main()
