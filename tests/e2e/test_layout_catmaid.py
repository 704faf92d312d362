"""CATMAID's tiles, from files and from a server, through the real command into a local Boss and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from PIL import Image

from tests.e2e.layouts import ingest
from tests.volumes import Source, pattern, tile_job

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine

CATMAID = "ingestclient.plugins.catmaid"


def write_tiles(root: Path, template: str, volume: NDArray) -> None:
    for z, image in enumerate(volume):
        for y in range(-(-volume.shape[1] // 512)):
            for x in range(-(-volume.shape[2] // 512)):
                path = root / template.format(z=z, y=y, x=x)
                path.parent.mkdir(parents=True, exist_ok=True)
                part = image[512 * y : 512 * y + 512, 512 * x : 512 * x + 512]
                Image.fromarray(part).save(path, compress_level=1)


async def test_tiles_in_files_with_partial_edges(machine: Machine, boss: LocalBoss, tmp_path: Path) -> None:
    volume = pattern((17, 600, 700))
    write_tiles(tmp_path / "tiles", "{z}/{y}_{x}_0.png", volume)
    plugin = f"{CATMAID}.CatmaidFileImageStack"
    params = {"root_dir": str(tmp_path / "tiles"), "filetype": "png"}
    client = {
        "path_processor": {"class": f"{plugin}PathProcessor", "params": params},
        "tile_processor": {"class": f"{plugin}TileProcessor", "params": {"filetype": "png"}},
    }
    await ingest(Source(volume, client, tile_job(volume, 512)), machine, boss, "files", schema="0.1")


async def test_tiles_of_a_server(machine: Machine, boss: LocalBoss, tmp_path: Path) -> None:
    volume = pattern((16, 600, 700))
    write_tiles(tmp_path / "served", "0/{z}/{y}/{x}.png", volume)
    app = web.Application()
    app.router.add_static("/", tmp_path / "served")
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        params = {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/0/", "filetype": "png"}
        unused = {"x_offset": 0, "y_offset": 0, "z_offset": 0, "x_tile": 1024, "y_tile": 1024}
        client = {
            "path_processor": {"class": f"{CATMAID}.CatmaidURLPathProcessor", "params": {"root_dir": ""}},
            "tile_processor": {"class": f"{CATMAID}.CatmainURLTileProcessor", "params": params | unused},
        }
        await ingest(Source(volume, client, tile_job(volume, 512)), machine, boss, "served", schema="0.1")
    finally:
        await runner.cleanup()
