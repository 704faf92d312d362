"""What every tile reader keeps to, whatever it reads from."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from boss_ingest.errors import SourceError
from boss_ingest.plugins.catmaid_readers import (
    CatmaidDirectoryImageStackReader,
    CatmaidFileImageStackReader,
    CatmaidFileImageStackZoomLevelReader,
)
from boss_ingest.plugins.hdf5 import Hdf5ChunkReader
from boss_ingest.plugins.reader import Setup, TileIndex, TileReader
from boss_ingest.plugins.stack import StackReader

ROWS, COLUMNS, Z_START, Z_STOP = 24, 32, 16, 20
JOB = {
    "resolution": 0,
    "extent": {"x": [0, 2 * COLUMNS], "y": [0, ROWS], "z": [Z_START, Z_STOP], "t": [0, 1]},
    "tile_size": {"x": COLUMNS, "y": ROWS, "z": 1, "t": 1},
}


def pixels(index):
    values = (np.arange(ROWS * COLUMNS) + 31 * index.z + 7 * index.x) % 251
    return values.astype(np.uint8).reshape(ROWS, COLUMNS)


INDICES = [TileIndex(x, 0, z, 0) for x in (0, 1) for z in range(Z_START, Z_STOP)]


@dataclass
class Source:
    """A reader over tiles of known pixels in `folder`, and how to take one of them away."""

    make: Callable[[], TileReader]
    setup: Setup
    remove: Callable[[TileIndex], str]  # returns what an error must name


def stack(folder, root):
    for index in INDICES:
        Image.fromarray(pixels(index)).save(folder / f"s{index.z + 100:05}_{index.x}.png")

    def remove(index):
        name = f"s{index.z + 100:05}_{index.x}.png"
        (folder / name).unlink()
        return name

    names = {"root_dir": root, "base_filename": "s<o:100p:5>_<x>", "extension": "png"}
    return Source(StackReader, Setup(names, {"filesystem": "local"}, JOB, folder), remove)


def grid(folder, root):
    """Two images a tile."""
    half = COLUMNS // 2
    for index in INDICES:
        for side in (0, 1):
            part = pixels(index)[:, side * half : (side + 1) * half]
            Image.fromarray(part).save(folder / f"s{index.z}_{2 * index.x + side:03}.png")

    def remove(index):
        name = f"s{index.z}_{2 * index.x + 1:03}.png"
        (folder / name).unlink()
        return name

    names = {"root_dir": root, "base_filename": "s<>_<x:p:3>", "extension": "png"}
    params = {"images": "grid", "image_size": {"x": half, "y": ROWS}}
    return Source(StackReader, Setup(names, params, JOB, folder), remove)


def catmaid(kind, template):
    def make(folder, root):
        for index in INDICES:
            file = folder / template.format(x=index.x, y=index.y, z=index.z)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels(index)).save(file)

        def remove(index):
            name = template.format(x=index.x, y=index.y, z=index.z)
            (folder / name).unlink()
            return name

        names = {"root_dir": root, "filetype": "png"}
        return Source(kind, Setup(names, {"filetype": "png"}, JOB, folder), remove)

    return make


def hdf5(folder, root):
    h5py = pytest.importorskip("h5py", reason="needs boss-ingest[hdf5]")

    def name(index):
        x = COLUMNS * index.x
        return f"p_{x}-{x + COLUMNS}_0-{ROWS}_{index.z}-{index.z + 1}.h5"

    for index in INDICES:
        with h5py.File(folder / name(index), "w") as file:
            file["em"] = pixels(index)[np.newaxis]

    def remove(index):
        (folder / name(index)).unlink()
        return name(index)

    sizes = {"x_chunk_size": COLUMNS, "y_chunk_size": ROWS, "z_chunk_size": 1}
    names = {"root_dir": root, "prefix": "p", "extension": "h5", **sizes}
    return Source(Hdf5ChunkReader, Setup(names, {"data_name": "em", "z_chunk_size": 1}, JOB, folder), remove)


SOURCES = {
    "stack": stack,
    "stack, grid": grid,
    "catmaid 1": catmaid(CatmaidFileImageStackReader, "{z}/{y}_{x}_0.png"),
    "catmaid 4": catmaid(CatmaidFileImageStackZoomLevelReader, "0/{z}/{y}_{x}.png"),
    "catmaid 5": catmaid(CatmaidDirectoryImageStackReader, "0/{z}/{y}/{x}.png"),
    "hdf5": hdf5,
}


@pytest.fixture(params=SOURCES.values(), ids=SOURCES.keys())
def source(request, tmp_path):
    return request.param(tmp_path, str(tmp_path))


@pytest.fixture
async def reader(source):
    opened = source.make()
    await opened.open(source.setup)
    yield opened
    await opened.close()


def decoded(body):
    return body if isinstance(body, np.ndarray) else np.asarray(Image.open(io.BytesIO(body)))


async def test_every_tile_has_its_own_pixels(reader):
    for index in INDICES:
        assert (decoded(await reader.read(index)) == pixels(index)).all()


async def test_the_same_tile_can_be_read_again(reader):
    first, again = await reader.read(INDICES[0]), await reader.read(INDICES[0])
    assert (decoded(first) == decoded(again)).all()


async def test_reads_at_the_same_time_do_not_mix(reader):
    indices = INDICES * 8
    bodies = await asyncio.gather(*(reader.read(index) for index in indices))
    for index, body in zip(indices, bodies, strict=True):
        assert (decoded(body) == pixels(index)).all()


async def test_a_missing_tile_is_a_source_error_that_names_it_and_harms_no_other(reader, source):
    name = source.remove(INDICES[1])
    results = await asyncio.gather(*(reader.read(index) for index in INDICES), return_exceptions=True)
    assert isinstance(results[1], SourceError)
    assert name in results[1].what
    assert results[1].hint
    assert not [result for n, result in enumerate(results) if n != 1 and isinstance(result, BaseException)]


@pytest.mark.parametrize(
    "index", [TileIndex(0, 0, Z_STOP, 0), TileIndex(0, 0, Z_START - 1, 0), TileIndex(0, 0, Z_START, 1)]
)
async def test_a_tile_outside_of_the_job_is_a_source_error(reader, index):
    with pytest.raises(SourceError):
        await reader.read(index)


async def test_locate_says_where_a_tile_comes_from_without_looking(reader, source):
    name = source.remove(INDICES[0])
    assert name in reader.locate(INDICES[0])
    assert reader.locate(INDICES[1]) != reader.locate(INDICES[0])


async def test_describe_tells_the_type(reader):
    info = await reader.describe()
    assert info.dtype in (None, "uint8")
    assert info.where


async def test_close_may_be_repeated_and_follow_an_open_that_never_was(source):
    never = source.make()
    await never.close()
    opened = source.make()
    await opened.open(source.setup)
    await opened.close()
    await opened.close()


async def test_two_readers_do_not_share_anything(source):
    one, other = source.make(), source.make()
    await one.open(source.setup)
    await other.open(source.setup)
    await one.close()
    assert (decoded(await other.read(INDICES[0])) == pixels(INDICES[0])).all()
    await other.close()


async def test_a_cancelled_read_leaves_the_reader_sound(reader):
    reading = asyncio.create_task(reader.read(INDICES[0]))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (decoded(await reader.read(INDICES[0])) == pixels(INDICES[0])).all()


async def test_relative_paths_count_from_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "scans").mkdir()
    source = stack(tmp_path / "scans", "scans")
    monkeypatch.chdir(tmp_path)
    reader = source.make()
    await reader.open(Setup(source.setup.path_params, source.setup.params, JOB, Path("/elsewhere")))
    assert (decoded(await reader.read(INDICES[0])) == pixels(INDICES[0])).all()
    await reader.close()
