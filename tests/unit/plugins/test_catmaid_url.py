"""CATMAID's tiles of a server, from a real one on loopback: what it may answer, and what becomes of that."""

import asyncio
import io
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web
from PIL import Image

from boss_ingest.errors import ConfigError, MissingSourceError, SourceError
from boss_ingest.plugins.catmaid import (
    CatmaidURLPathProcessor,
    CatmaidURLTileProcessor,
    CatmainURLTileProcessor,
)
from boss_ingest.plugins.catmaid_readers import CatmaidURLReader
from boss_ingest.plugins.http_images import ForbiddenSourceError, HttpImages
from boss_ingest.plugins.reader import Setup, TileIndex

SIZE = 64
JOB = {
    "resolution": 0,
    "extent": {"x": [0, 256], "y": [0, 192], "z": [0, 16], "t": [0, 1]},
    "tile_size": {"x": SIZE, "y": SIZE, "z": 1, "t": 1},
}
OFFSETS = {"x_offset": 0, "y_offset": 0, "z_offset": 0, "x_tile": 1024, "y_tile": 1024}


def image(z, y, x):
    values = (np.arange(SIZE * SIZE) + 31 * z + 17 * y + 7 * x) % 251
    into = io.BytesIO()
    Image.fromarray(values.astype(np.uint8).reshape(SIZE, SIZE)).save(into, "PNG")
    return into.getvalue()


class Server:
    """Serves `/s/z/y/x.png`, unless a test says how to answer."""

    def __init__(self):
        self.paths = []
        self.answers = {}
        self.most_at_once = self._at_once = 0
        self.pause_s = 0.0

    async def handle(self, request):
        self.paths.append(request.path)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self.pause_s)
            answer = self.answers.get(request.path)
            if isinstance(answer, int):
                return web.Response(status=answer)
            if answer is not None:
                return await answer(request)
            z, y, x = request.path.removeprefix("/s/").removesuffix(".png").split("/")
            return web.Response(body=image(int(z), int(y), int(x)), content_type="image/png")
        finally:
            self._at_once -= 1


@pytest.fixture
async def server():
    made = Server()
    app = web.Application()
    app.router.add_get("/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/s/"
    yield made
    await runner.cleanup()


@pytest.fixture
async def reader(server):
    made = CatmaidURLReader()
    await made.open(setup(server))
    yield made
    await made.close()


def setup(server, **params):
    url = {"url": server if isinstance(server, str) else server.url, "filetype": "png"}
    return Setup({"root_dir": "", "filetype": "png"}, url | params, JOB, Path())


async def read(server, index, **params):
    made = CatmaidURLReader()
    try:
        await made.open(setup(server, **params))
        return await made.read(index)
    finally:
        await made.close()


async def test_tiles_come_as_they_are_many_at_once_over_few_connections(server, reader):
    server.pause_s = 0.01
    indices = [TileIndex(x, y, z, 0) for x in range(4) for y in range(3) for z in range(8)]
    for index, body in zip(indices, await asyncio.gather(*map(reader.read, indices)), strict=True):
        assert body == image(index.z, index.y, index.x)
    assert "/s/7/2/3.png" in server.paths
    assert 1 < server.most_at_once <= 16


async def test_a_tile_that_is_not_there_is_missing(server, reader):
    for status in (404, 410):
        server.answers["/s/1/0/0.png"] = status
        with pytest.raises(MissingSourceError, match=rf"/s/1/0/0\.png.*{status}"):
            await reader.read(TileIndex(0, 0, 1, 0))


async def test_403_is_an_error_unless_it_means_not_there(server, reader):
    server.answers["/s/1/0/0.png"] = 403
    with pytest.raises(ForbiddenSourceError) as caught:
        await reader.read(TileIndex(0, 0, 1, 0))
    assert not isinstance(caught.value, MissingSourceError)
    assert "zeros_on_403" in caught.value.hint
    with pytest.raises(MissingSourceError, match="403"):
        await read(server, TileIndex(0, 0, 1, 0), zeros_on_403=True)


@pytest.mark.parametrize("status", [204, 206, 401, 429, 500, 503])
async def test_any_other_answer_is_an_error_that_may_pass(server, reader, status):
    server.answers["/s/1/0/0.png"] = status
    with pytest.raises(SourceError, match=str(status)) as caught:
        await reader.read(TileIndex(0, 0, 1, 0))
    assert not isinstance(caught.value, MissingSourceError)
    del server.answers["/s/1/0/0.png"]
    assert await reader.read(TileIndex(0, 0, 1, 0)) == image(1, 0, 0)


async def test_no_server_is_a_source_error():
    with pytest.raises(SourceError, match="cannot be read"):
        await read("http://127.0.0.1:9/", TileIndex(0, 0, 1, 0))


async def test_a_server_that_falls_silent_is_given_up(server):
    server.answers["/s/1/0/0.png"] = never
    images = HttpImages(most_bytes=1 << 20, total_s=0.2)
    with pytest.raises(SourceError, match="in time"):
        await images.read(f"{server.url}1/0/0.png")
    await images.close()


async def never(request):
    await asyncio.Event().wait()


async def test_an_answer_cut_short_is_a_source_error(server, reader):
    async def cut(request):
        answer = web.StreamResponse(headers={"Content-Length": "1000"})
        await answer.prepare(request)
        await answer.write(b"x" * 10)
        request.transport.abort()
        return answer

    server.answers["/s/1/0/0.png"] = cut
    with pytest.raises(SourceError, match="cannot be read"):
        await reader.read(TileIndex(0, 0, 1, 0))


@pytest.mark.parametrize("told", [True, False])
async def test_an_answer_too_large_for_a_tile_is_not_read_to_its_end(server, reader, told):
    sent = 0

    async def endless(request):
        nonlocal sent
        answer = web.StreamResponse(headers={"Content-Length": str(1 << 40)} if told else {})
        await answer.prepare(request)
        try:
            while sent < 1 << 28:
                await answer.write(bytes(1 << 16))
                sent += 1 << 16
        except ConnectionError:
            pass
        return answer

    server.answers["/s/1/0/0.png"] = endless
    with pytest.raises(SourceError, match="too many"):
        await reader.read(TileIndex(0, 0, 1, 0))
    assert sent < 1 << 26


def moved(to, status=302):
    async def answer(request):
        return web.Response(status=status, headers={"Location": to})

    return answer


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_followed(server, reader, status):
    server.answers["/s/1/0/0.png"] = moved("../../2/1/3.png", status)
    assert await reader.read(TileIndex(0, 0, 1, 0)) == image(2, 1, 3)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", ""])
async def test_redirects_to_anything_but_http_are_refused(server, reader, to):
    server.answers["/s/1/0/0.png"] = moved(to)
    with pytest.raises(SourceError, match="redirects"):
        await reader.read(TileIndex(0, 0, 1, 0))


async def test_redirects_in_a_circle_end(server, reader):
    server.answers["/s/1/0/0.png"] = moved("/s/1/0/0.png")
    with pytest.raises(SourceError, match="more than 5"):
        await reader.read(TileIndex(0, 0, 1, 0))
    assert len(server.paths) == 6


async def test_offsets_lead_to_other_tiles_and_below_0_to_zeros(server):
    offsets = {"z_offset": -3, "y_offset": SIZE, "x_offset": -2 * SIZE}
    assert await read(server, TileIndex(3, 1, 5, 0), **offsets) == image(2, 2, 1)
    for below in (TileIndex(3, 1, 2, 0), TileIndex(1, 1, 5, 0)):
        zeros = await read(server, below, **offsets)
        assert zeros.voxels.shape == (SIZE, SIZE)
        assert not zeros.voxels.any()
        assert "below 0" in zeros.why
    with pytest.raises(ConfigError, match="multiple of tile_size"):
        await read(server, TileIndex(0, 0, 0, 0), x_offset=100)


@pytest.mark.parametrize(
    "url", ["ftp://host/s/", "file:///data/", "/data/", "http:///s/", "http://host/s", "", "https://"]
)
async def test_only_http_urls_with_a_slash_at_the_end_are_taken(url):
    with pytest.raises(ConfigError, match="http"):
        await read(url, TileIndex(0, 0, 0, 0))


async def test_a_password_in_the_url_is_used_and_never_told(server):
    seen = []

    async def refuse(request):
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(status=500)

    server.answers["/s/1/0/0.png"] = refuse
    url = server.url.replace("127.", "me:geheim@127.")
    made = CatmaidURLReader()
    await made.open(setup(url))
    with pytest.raises(SourceError) as caught:
        await made.read(TileIndex(0, 0, 1, 0))
    assert seen[0].startswith("Basic")
    assert "geheim" not in str(caught.value) + made.locate(TileIndex(0, 0, 1, 0))
    await made.close()
    with pytest.raises(ConfigError) as refused:
        await read("http://me:geheim@host/s", TileIndex(0, 0, 0, 0))
    assert "geheim" not in str(refused.value)


async def test_tiles_outside_of_the_job_are_not_asked_for(server, reader):
    for outside in (
        TileIndex(4, 0, 0, 0),
        TileIndex(0, 0, 16, 0),
        TileIndex(0, -1, 0, 0),
        TileIndex(0, 0, 0, 1),
    ):
        with pytest.raises(SourceError):
            await reader.read(outside)
    assert not server.paths


async def test_it_describes_the_first_tile_and_closes_twice(server):
    made = CatmaidURLReader()
    await made.close()
    await made.open(setup(server))
    info = await made.describe()
    assert (info.dtype, info.where) == ("uint8", f"{server.url}0/0/0.png")
    await made.close()
    await made.close()


def test_the_path_is_empty_whatever_the_params():
    paths = CatmaidURLPathProcessor()
    paths.setup({"anything": 1, "ingest_job": JOB})
    assert paths.process(1, 2, 3, 0) == ""


@pytest.mark.parametrize("kind", [CatmainURLTileProcessor, CatmaidURLTileProcessor])
async def test_the_classic_class_gives_the_same_tiles(server, kind):
    def in_a_worker():
        tiles = kind()
        assert tiles.parameters is None
        tiles.setup({"url": server.url, "filetype": "png", "ingest_job": JOB, **OFFSETS, "z_offset": -1})
        with tiles.process("", 2, 1, 4, 0) as handle:
            assert handle.read() == image(3, 1, 2)
        with tiles.process("", 2, 1, 0, 0) as handle, Image.open(handle) as zeros:
            assert not np.asarray(zeros).any()
        server.answers["/s/4/1/2.png"] = 404
        with pytest.raises(MissingSourceError):
            tiles.process("", 2, 1, 5, 0)

    await asyncio.to_thread(in_a_worker)
