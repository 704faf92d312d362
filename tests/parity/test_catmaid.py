"""CATMAID tiles, in files and from a server, against the original's."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from PIL import Image

from tests.parity.case import Case, Index, tile_job
from tests.parity.comparing import compare
from tests.volumes import pattern

pytestmark = pytest.mark.peer

TILE_XY = (16, 12)
VOLUME = pattern((3, 24, 32))
GRID: list[Index] = [(x, y, z, 0) for z in (0, 2) for y in (0, 1) for x in (0, 1)]
JOB = tile_job(TILE_XY, x=(0, 32), y=(0, 24), z=(0, 3))
KINDS = {
    "catmaid.CatmaidFileImageStack": "{z}/{y}_{x}_0.{kind}",
    "catmaid.CatmaidFileImageStackZoomLevel": "0/{z}/{y}_{x}.{kind}",
    "catmaid.CatmaidDirectoryImageStack": "0/{z}/{y}/{x}.{kind}",
}


def image(x: int, y: int, z: int) -> Image.Image:
    columns, rows = TILE_XY
    return Image.fromarray(VOLUME[z, y * rows :, x * columns :][:rows, :columns])


@pytest.mark.parametrize("plugin", KINDS)
async def test_tiles_in_files(tmp_path: Path, plugin: str) -> None:
    for kind in ("png", "tiff", "tif", "jpg"):
        for x, y, z in [(x, y, z) for x in (0, 1) for y in (0, 1) for z in range(3)]:
            path = tmp_path / kind / KINDS[plugin].format(x=x, y=y, z=z, kind=kind)
            path.parent.mkdir(parents=True, exist_ok=True)
            tile = image(x, y, z)
            tile.save(path, quality=95) if kind == "jpg" else tile.save(path)

    def case(kind: str) -> Case:
        return Case(
            name=kind.upper(),
            processor=f"{plugin}TileProcessor",
            path=f"{plugin}PathProcessor",
            path_params={"root_dir": str(tmp_path / kind), "filetype": kind},
            params={"filetype": kind},
            ingest_job=JOB,
            indices=GRID,
        )

    png = case("png")
    partial = {"extent": {**JOB["extent"], "x": [0, 30], "y": [0, 20]}}
    outside: list[Index] = [(2, 0, 0, 0), (0, 2, 0, 0), (0, 0, 3, 0), (0, 0, 0, 1)]
    await compare(
        [
            png,
            case("tiff"),
            case("tif"),
            case("jpg"),
            png.but("last column and row of an extent that ends in them", ingest_job=partial),
            png.but("index out of the job", indices=outside),
        ],
        tmp_path,
    )


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    """Slice 0 and 1 are there, 2 is forbidden, 3 is not there, 4 is in colour, 5 has 16 bits."""

    async def answer(request: web.Request) -> web.Response:
        z, y, x = (int(request.match_info[name]) for name in "zyx")
        if z in {2, 3}:
            raise web.HTTPForbidden if z == 2 else web.HTTPNotFound
        tile = image(x, y, z % 3)
        if z == 4:
            tile = tile.convert("RGB")
        if z == 5:
            tile = Image.fromarray(np.asarray(tile).astype(np.uint16) * 257)
        into = io.BytesIO()
        tile.save(into, "PNG")
        return web.Response(body=into.getvalue(), content_type="image/png")

    app = web.Application()
    app.router.add_get("/tiles/{z}/{y}/{x}.png", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield "http://{}:{}/tiles/".format(*runner.addresses[0][:2])
    finally:
        await runner.cleanup()


async def test_tiles_from_a_server(tmp_path: Path) -> None:
    async with server() as url:
        plain = Case(
            name="8-bit PNG",
            processor="catmaid.CatmainURLTileProcessor",
            path="catmaid.CatmaidURLPathProcessor",
            params={
                "url": url,
                "filetype": "png",
                **{f"{axis}_offset": 0 for axis in "xyz"},
                "x_tile": TILE_XY[0],
                "y_tile": TILE_XY[1],
            },
            ingest_job=tile_job(TILE_XY, x=(0, 32), y=(0, 24), z=(0, 6)),
            indices=[(0, 0, 0, 0), (1, 1, 1, 0)],
        )
        await compare(
            [
                plain,
                plain.but("16-bit PNG", indices=[(1, 0, 5, 0)]),
                plain.but("colour PNG", indices=[(0, 0, 4, 0)]),
                plain.but("forbidden", indices=[(0, 0, 2, 0)]),
                plain.but("forbidden, zeros_on_403", ours={"zeros_on_403": True}, indices=[(0, 0, 2, 0)]),
                plain.but("not there", indices=[(0, 0, 3, 0)]),
                plain.but("before the first slice", params={"z_offset": -2}, indices=[(0, 0, 1, 0)]),
                plain.but("z_offset", params={"z_offset": -1}, indices=[(0, 0, 1, 0), (0, 0, 2, 0)]),
            ],
            tmp_path,
        )
