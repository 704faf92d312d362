"""Stacks whose files are whole slices or grids of images: tiles and chunks are cut out of them."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from boss_ingest.errors import ConfigError, MissingSourceError, SourceError
from boss_ingest.plugins import objects, stack_slices
from boss_ingest.plugins.reader import Box, MadeUp, Setup, TileIndex
from boss_ingest.plugins.stack import StackChunkReader, StackReader
from boss_ingest.testing import (
    check_chunk_reader,
    check_classic_chunks,
    check_classic_tiles,
    check_tile_reader,
)

ROWS, COLUMNS, SLICES = 50, 70, 9
VOLUME = (np.arange(SLICES * ROWS * COLUMNS, dtype=np.uint32) * 2654435761 >> 7).astype(np.uint16)
VOLUME = VOLUME.reshape(SLICES, ROWS, COLUMNS)
TILE = {"x": 32, "y": 24}
GRID = {"x": 20, "y": 17}
PAIR = (
    "ingestclient.plugins.stack.ZindexStackPathProcessor",
    "ingestclient.plugins.stack.ZindexStack{}Processor",
)


def tile_job(x=(0, COLUMNS), y=(0, ROWS), z=(0, SLICES)):
    extent = {"x": list(x), "y": list(y), "z": list(z), "t": [0, 1]}
    return {"ingest_type": "tile", "resolution": 0, "extent": extent, "tile_size": {**TILE, "z": 1, "t": 1}}


def chunk_job(x=(0, COLUMNS), y=(0, ROWS), z=(0, SLICES), size=(32, 24, 4)):
    extent = {"x": list(x), "y": list(y), "z": list(z), "t": [0, 1]}
    return {
        "ingest_type": "volumetric",
        "resolution": 0,
        "extent": extent,
        "chunk_size": dict(zip("xyz", size, strict=True)),
    }


def write_slices(folder, volume=VOLUME, extension="png", **how):
    folder.mkdir(exist_ok=True)
    for z, image in enumerate(volume):
        path = folder / f"s{z + 5:04}.{extension}"
        if extension == "tif":
            tifffile.imwrite(path, image, **how)
        else:
            Image.fromarray(image).save(path, **how)
    return {"root_dir": str(folder), "base_filename": "s<o:5p:4>", "extension": extension}


def write_grid(folder, volume=VOLUME, size=GRID):
    folder.mkdir(exist_ok=True)
    for z, image in enumerate(volume):
        for row, y in enumerate(range(0, image.shape[0], size["y"])):
            for column, x in enumerate(range(0, image.shape[1], size["x"])):
                part = image[y : y + size["y"], x : x + size["x"]]
                Image.fromarray(part).save(folder / f"z{z}_r{row + 1:02}_c{column}.png")
    return {"root_dir": str(folder), "base_filename": "z<>_r<y:o:1p:2>_c<x>", "extension": "png"}


def write(images, folder, volume=VOLUME):
    """The path params, and the params of the processor."""
    if images == "grid":
        return write_grid(folder, volume), {"images": "grid", "image_size": GRID}
    return write_slices(folder, volume), {"images": "slices"}


def tiles_of(volume, job):
    (x, x_stop), (y, y_stop), (z, z_stop) = (job["extent"][axis] for axis in "xyz")
    tall, wide = TILE["y"], TILE["x"]
    inside = np.zeros_like(volume)
    inside[:, y:y_stop, x:x_stop] = volume[:, y:y_stop, x:x_stop]
    return {
        TileIndex(i, j, k, 0): inside[
            k, j * tall : min(y_stop, (j + 1) * tall), i * wide : min(x_stop, (i + 1) * wide)
        ]
        for k in range(z, z_stop)
        for j in range(y // tall, -(-y_stop // tall))
        for i in range(x // wide, -(-x_stop // wide))
    }


@pytest.fixture(params=["slices", "grid"])
def images(request):
    return request.param


@pytest.fixture
def decoded(monkeypatch):
    """The names of the images that are decoded, one by one."""
    names = []
    decode = stack_slices.decode

    def counted(body, *, name, most_bytes):
        names.append(name)
        return decode(body, name=name, most_bytes=most_bytes)

    monkeypatch.setattr(stack_slices, "decode", counted)
    return names


@pytest.mark.parametrize(
    "job", [tile_job(), tile_job(x=(10, 60), y=(30, 41), z=(2, 4))], ids=["all", "in the middle"]
)
@pytest.mark.parametrize("cache_bytes", [0, 20_000, 256 << 20])
async def test_tiles_are_cut_out_of_slices_and_put_together_from_grids(tmp_path, images, job, cache_bytes):
    path_params, params = write(images, tmp_path)
    told = Setup(path_params, params, job, Path(), cache_bytes=cache_bytes)
    await check_tile_reader(StackReader, told, tiles_of(VOLUME, job), missing=TileIndex(0, 0, 99, 0))


@pytest.mark.parametrize("cache_bytes", [0, 30_000, 256 << 20])
async def test_chunks_are_put_together_from_slices_and_grids(tmp_path, images, cache_bytes):
    path_params, params = write(images, tmp_path)
    told = Setup(path_params, params, chunk_job(), Path(), cache_bytes=cache_bytes)
    await check_chunk_reader(StackChunkReader, told, VOLUME)


def test_the_classic_face_gives_the_same_tiles(tmp_path):
    path_params, params = write("slices", tmp_path)
    job = tile_job(x=(10, 60))
    told = Setup(path_params, params, job, Path())
    check_classic_tiles(PAIR[0], PAIR[1].format("Tile"), told, tiles_of(VOLUME, job))


def test_the_classic_face_gives_the_same_chunks(tmp_path, images):
    path_params, params = write(images, tmp_path)
    told = Setup(path_params, params, chunk_job(), Path())
    expected = {
        (x, y, z): VOLUME[z * 4 :, y * 24 :, x * 32 :][:4, :24, :32]
        for x in range(3) for y in range(3) for z in range(3)
    }  # fmt: skip
    check_classic_chunks(PAIR[0], PAIR[1].format("Chunk"), told, expected)


async def opened(reader, path_params, params, job, cache_bytes=256 << 20):
    await reader.open(Setup(path_params, params, job, Path(), cache_bytes=cache_bytes))
    return reader


def boxes(job):
    size, extent = job["chunk_size"], job["extent"]
    starts = [range(*extent[axis], size[axis]) for axis in "zyx"]
    return [
        Box((z, y, x), tuple(min(at + size[a], extent[a][1]) for at, a in zip((z, y, x), "zyx", strict=True)))
        for z in starts[0] for y in starts[1] for x in starts[2]
    ]  # fmt: skip


async def read_all(reader, job, at_once=3):
    """All chunks in the order of the queue, some at a time."""
    volume = np.zeros_like(VOLUME)
    turn = asyncio.Semaphore(at_once)

    async def read(box):
        async with turn:
            volume[tuple(map(slice, box.start_zyx, box.stop_zyx))] = await reader.read(box)

    await asyncio.gather(*map(read, boxes(job)))
    assert (volume == VOLUME).all()


async def test_each_slice_is_decoded_once_for_all_the_chunks_that_share_it(tmp_path, images, decoded):
    path_params, params = write(images, tmp_path)
    reader = await opened(StackChunkReader(), path_params, params, chunk_job())
    await read_all(reader, chunk_job())
    assert sorted(decoded) == sorted(map(str, tmp_path.iterdir()))
    await reader.close()


async def test_slices_that_do_not_fit_are_decoded_once_for_each_row_of_chunks(tmp_path, decoded):
    path_params, params = write("slices", tmp_path)
    cache_bytes = 2 * VOLUME[:4].nbytes  # the rows of two rows of chunks, not four whole slices
    reader = await opened(
        StackChunkReader(), path_params, params, chunk_job(), cache_bytes=int(cache_bytes * 0.6)
    )
    await read_all(reader, chunk_job(), at_once=1)
    assert len(decoded) == 3 * SLICES
    await reader.close()


async def test_neighbouring_tiles_of_a_slice_decode_it_once(tmp_path, decoded):
    path_params, params = write("slices", tmp_path)
    reader = await opened(StackReader(), path_params, params, tile_job())
    await asyncio.gather(*(reader.read(index) for index in tiles_of(VOLUME, tile_job())))
    assert sorted(decoded) == sorted(map(str, tmp_path.iterdir()))
    await reader.close()


async def test_offsets_are_added_to_get_from_voxels_to_pixels(tmp_path, images):
    """Slice pixel (0, 0) stands at voxel x 100, y 30."""
    path_params, params = write(images, tmp_path)
    job = tile_job(x=(100, 100 + COLUMNS), y=(30, 30 + ROWS))
    placed = np.pad(VOLUME, ((0, 0), (30, 0), (100, 0)))
    told = Setup(path_params, params | {"offset_x": -100, "offset_y": -30}, job, Path())
    await check_tile_reader(StackReader, told, tiles_of(placed, job))
    inner = Setup(
        path_params, params | {"offset_x": 7, "offset_y": 3}, tile_job(x=(0, 63), y=(0, 47)), Path()
    )
    await check_tile_reader(StackReader, inner, tiles_of(VOLUME[:, 3:, 7:], inner.ingest_job))


async def test_what_lies_outside_of_the_slice_is_an_error_and_with_pad_zeros(tmp_path):
    path_params, params = write("slices", tmp_path)
    job = chunk_job(x=(0, 80))
    beyond, before = Box((0, 0, 64), (1, 5, 80)), Box((0, 0, 0), (1, 5, 8))
    reader = await opened(StackChunkReader(), path_params, params, job)
    with pytest.raises(
        SourceError, match=r"s0005\.png is 50 rows × 70 columns, .*columns 64 to 80"
    ) as caught:
        await reader.read(beyond)
    assert "pad" in caught.value.hint
    shifted = await opened(StackChunkReader(), path_params, params | {"offset_x": -3}, job)
    with pytest.raises(SourceError, match=r"s0005\.png.* begins at row 0, column -3") as caught:
        await shifted.read(before)
    padded = await opened(StackChunkReader(), path_params, params | {"offset_x": -3, "pad": True}, job)
    expected = np.pad(VOLUME[:1, :5], ((0, 0), (0, 0), (3, 7)))
    assert (await padded.read(beyond) == expected[:, :, 64:80]).all()
    assert (await padded.read(before) == expected[:, :, :8]).all()


async def test_a_slice_of_the_wrong_size_is_an_error_that_names_it(tmp_path):
    path_params, params = write("slices", tmp_path)
    Image.fromarray(VOLUME[1, :, :69]).save(tmp_path / "s0006.png")
    told = params | {"image_size": {"x": COLUMNS, "y": ROWS}}
    for job_params in (params, told):
        reader = await opened(StackChunkReader(), path_params, job_params, chunk_job())
        with pytest.raises(SourceError, match=r"s0006\.png is 50 rows × 69 columns"):
            await reader.read(Box((0, 0, 0), (4, ROWS, COLUMNS)))
    assert (await reader.read(Box((2, 0, 0), (4, ROWS, COLUMNS))) == VOLUME[2:4]).all()


async def test_a_missing_slice_is_missing_by_name_and_harms_no_other(tmp_path, images):
    path_params, params = write(images, tmp_path)
    gone = min(tmp_path.iterdir())
    gone.unlink()
    reader = await opened(StackChunkReader(), path_params, params, chunk_job())
    with pytest.raises(MissingSourceError, match=gone.name):
        await reader.read(Box((0, 0, 0), (2, 24, 32)))
    assert (await reader.read(Box((4, 0, 0), (8, 24, 32))) == VOLUME[4:8, :24, :32]).all()


@pytest.mark.parametrize("first", [True, False])
async def test_where_missing_means_zeros_only_the_missing_slices_are_zeros_and_told(tmp_path, images, first):
    path_params, params = write(images, tmp_path)
    names = ("s0005", "z0_") if first else ("s0007", "z2_")
    gone = [path for path in sorted(tmp_path.iterdir()) if path.name.startswith(names)]
    for path in gone:
        path.unlink()
    reader = await opened(StackChunkReader(), path_params, {**params, "missing": "zeros"}, chunk_job())
    found = await reader.read(Box((0, 0, 0), (4, ROWS, COLUMNS)))
    assert isinstance(found, MadeUp)
    expected = VOLUME[:4].copy()
    expected[0 if first else 2] = 0
    assert (found.voxels == expected).all()
    assert f"{len(gone)} of {4 * len(gone)} images are missing: " in found.why
    assert gone[0].name in found.why
    whole = await reader.read(Box((4, 0, 0), (8, ROWS, COLUMNS)))
    assert (whole == VOLUME[4:8]).all()


async def test_a_tile_of_a_grid_has_zeros_only_where_an_image_is_missing(tmp_path):
    path_params, params = write("grid", tmp_path)
    (tmp_path / "z1_r01_c0.png").unlink()
    reader = await opened(StackReader(), path_params, {**params, "fail_gracefully": True}, tile_job())
    found = await reader.read(TileIndex(0, 0, 1, 0))
    expected = VOLUME[1, :24, :32].copy()
    expected[:17, :20] = 0
    assert isinstance(found, MadeUp)
    assert (found.voxels == expected).all()
    assert (await reader.read(TileIndex(1, 1, 1, 0)) == VOLUME[1, 24:48, 32:64]).all()


@pytest.mark.parametrize("missing", ["zeros", "skip"])
async def test_a_chunk_none_of_whose_images_is_there_is_missing_as_a_whole(tmp_path, images, missing):
    path_params, params = write(images, tmp_path)
    for path in sorted(tmp_path.iterdir())[: (4 if images == "slices" else 48)]:
        path.unlink()
    reader = await opened(StackChunkReader(), path_params, {**params, "missing": missing}, chunk_job())
    with pytest.raises(MissingSourceError):
        await reader.read(Box((0, 0, 0), (4, ROWS, COLUMNS)))
    assert (await reader.read(Box((4, 0, 0), (8, 24, 32))) == VOLUME[4:8, :24, :32]).all()


async def test_a_chunk_that_is_missing_in_part_is_not_left_out(tmp_path, images):
    path_params, params = write(images, tmp_path)
    min(tmp_path.iterdir()).unlink()
    reader = await opened(StackChunkReader(), path_params, {**params, "missing": "skip"}, chunk_job())
    with pytest.raises(SourceError, match=r"1 of .* images are missing") as caught:
        await reader.read(Box((0, 0, 0), (4, ROWS, COLUMNS)))
    assert not isinstance(caught.value, MissingSourceError)
    assert '"missing": "zeros"' in caught.value.hint


@pytest.mark.parametrize("params", [{"missing": "zeros"}, {"missing": "skip"}, {"fail_gracefully": True}])
def test_a_classic_chunk_that_is_missing_in_part_is_not_taken_for_missing(tmp_path, params):
    """The engine would make zeros of all of it, or leave all of it out."""
    path_params = write_slices(tmp_path, VOLUME)
    (tmp_path / "s0006.png").unlink()
    told = Setup(path_params, params, chunk_job(), Path())
    with pytest.raises(SourceError, match=r"1 of 4 images are missing: .*s0006\.png") as caught:
        check_classic_chunks(PAIR[0], PAIR[1].format("Chunk"), told, {(0, 0, 0): VOLUME[:4, :24, :32]})
    assert not isinstance(caught.value, MissingSourceError)
    for path in tmp_path.glob("s000[5-8].png"):
        path.unlink()
    with pytest.raises(MissingSourceError):
        check_classic_chunks(PAIR[0], PAIR[1].format("Chunk"), told, {(0, 0, 0): VOLUME[:4, :24, :32]})


async def test_a_slice_of_another_type_is_an_error_and_black_and_white_is_not(tmp_path):
    volume = (VOLUME >> 8).astype(np.uint8)
    path_params = write_slices(tmp_path, volume)
    Image.fromarray(VOLUME[1]).save(tmp_path / "s0006.png")
    Image.fromarray(volume[2] > 99).save(tmp_path / "s0007.png")
    reader = await opened(StackChunkReader(), path_params, {}, chunk_job())
    with pytest.raises(SourceError, match=r"s0006\.png holds uint16 values, .*s0005\.png uint8"):
        await reader.read(Box((0, 0, 0), (4, 24, 32)))
    array = await reader.read(Box((2, 0, 0), (4, 24, 32)))
    assert (array[0] == (volume[2] > 99)[:24, :32]).all()


async def test_an_image_larger_than_memory_is_refused_by_its_header(tmp_path):
    path_params, params = write("slices", tmp_path)
    reader = await opened(StackReader(), path_params, params | {"max_image_bytes": 6999}, tile_job())
    with pytest.raises(SourceError, match="7000 bytes, more than the 6999") as caught:
        await reader.read(TileIndex(0, 0, 0, 0))
    assert "max_image_bytes" in caught.value.hint
    small = params | {"image_size": {"x": 9, "y": 9}}
    reader = await opened(StackReader(), path_params, small, tile_job())
    with pytest.raises(SourceError, match="more than the 648"):
        await reader.read(TileIndex(0, 0, 0, 0))


async def test_a_link_out_of_the_root_is_not_read(tmp_path):
    path_params, params = write("slices", tmp_path / "in")
    (tmp_path / "in/s0005.png").replace(tmp_path / "out.png")
    (tmp_path / "in/s0005.png").symlink_to(tmp_path / "out.png")
    box = Box((0, 0, 0), (1, 24, 32))
    reader = await opened(StackChunkReader(), path_params, params, chunk_job())
    with pytest.raises(SourceError, match="outside of root_dir"):
        await reader.read(box)
    allowed = path_params | {"allow_outside_root": True}
    reader = await opened(StackChunkReader(), allowed, params, chunk_job())
    assert (await reader.read(box) == VOLUME[:1, :24, :32]).all()
    told = Setup(path_params, params, chunk_job(), Path())
    with pytest.raises(SourceError, match="outside of root_dir"):
        check_classic_chunks(PAIR[0], PAIR[1].format("Chunk"), told, {(0, 0, 0): VOLUME[:4, :24, :32]})
    told = replace(told, params=params | {"allow_outside_root": True})
    check_classic_chunks(PAIR[0], PAIR[1].format("Chunk"), told, {(0, 0, 0): VOLUME[:4, :24, :32]})


@pytest.mark.parametrize(
    ("extension", "how"),
    [
        ("tif", {}),
        ("tif", {"byteorder": ">"}),
        ("tif", {"bigtiff": True}),
        ("tif", {"tile": (16, 16), "compression": "zlib"}),
        ("tif", {"compression": "lzw", "rowsperstrip": 7, "predictor": True}),
        ("png", {"compress_level": 1}),
    ],
)
async def test_formats_of_16_bits(tmp_path, extension, how):
    path_params = write_slices(tmp_path, VOLUME, extension, **how)
    told = Setup(path_params, {}, chunk_job(), Path())
    await check_chunk_reader(StackChunkReader, told, VOLUME)


@pytest.mark.parametrize("cache_bytes", [0, 256 << 20])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "uint32", ">u4", "int32", "uint64", "float32", "float64"]
)
async def test_types_of_tiff(tmp_path, dtype, cache_bytes):
    values = (VOLUME.astype("f8") * (40000 if np.dtype(dtype).itemsize > 2 else 1)).astype(np.int64)
    values = values.astype(np.dtype(dtype).newbyteorder("="))
    path_params = write_slices(tmp_path, values, "tif", byteorder=">" if dtype.startswith(">") else "<")
    told = Setup(path_params, {}, chunk_job(), Path(), cache_bytes=cache_bytes)
    await check_chunk_reader(StackChunkReader, told, values)


PARTLY = [{}, {"tile": (16, 16), "compression": "zlib"}, {"rowsperstrip": 5, "compression": "lzw"}]


@pytest.mark.parametrize("how", PARTLY, ids=["uncompressed", "tiles", "strips"])
@pytest.mark.parametrize("filesystem", ["local", "s3_copy"])
async def test_of_large_plain_tiff_only_parts_are_read(tmp_path, how, filesystem, decoded, monkeypatch):
    path_params = write_slices(tmp_path, VOLUME, "tif", **how)
    Image.fromarray(VOLUME[3]).save(tmp_path / "s0008.tif", format="PNG")
    if filesystem == "s3_copy":
        monkeypatch.setattr(objects.S3Objects, "_fetch", copied)
    params = {"filesystem": filesystem, "bucket": "lab"}
    reader = await opened(StackChunkReader(), path_params, params, chunk_job(), cache_bytes=3000)
    await read_all(reader, chunk_job())
    assert set(decoded) == {reader._slices._objects.where(str(tmp_path / "s0008.tif"))}
    (tmp_path / "s0006.tif").unlink()
    await reader.close()
    if filesystem == "local":
        reader = await opened(StackChunkReader(), path_params, params, chunk_job(), cache_bytes=3000)
        with pytest.raises(MissingSourceError, match=r"s0006\.tif"):
            await reader.read(Box((0, 0, 0), (4, 5, 5)))
        tifffile.imwrite(tmp_path / "s0006.tif", VOLUME[1, :, :69], **how)
        with pytest.raises(SourceError, match=r"s0006\.tif is 50 rows × 69 columns"):
            await reader.read(Box((0, 0, 60), (4, 5, 70)))
        await reader.close()


async def copied(self, key, into):
    await asyncio.to_thread(shutil.copyfile, key, into)


async def test_jpeg_slices_have_the_pixels_that_pillow_decodes(tmp_path):
    smooth = np.add.outer(np.arange(ROWS), np.arange(COLUMNS)).astype(np.uint8)
    path_params = write_slices(tmp_path, np.stack([smooth, smooth + 9]), "jpg", quality=80)
    expected = np.stack([np.asarray(Image.open(path)) for path in sorted(tmp_path.iterdir())])
    told = Setup(path_params, {}, chunk_job(z=(0, 2)), Path())
    await check_chunk_reader(StackChunkReader, told, expected)


async def test_describe_and_locate(tmp_path, images):
    path_params, params = write(images, tmp_path)
    job = chunk_job(x=(32, 70), y=(24, 50), z=(4, 9))
    reader = await opened(StackChunkReader(), path_params, params, job)
    info = await reader.describe()
    assert (info.dtype, info.shape_zyx) == ("uint16", None)
    assert info.where.endswith("s0009.png" if images == "slices" else "z4_r02_c1.png")
    where = reader.locate(Box((4, 24, 32), (8, 48, 64)))
    names = ("s0009.png", "s0012.png") if images == "slices" else ("z4_r02_c1.png", "z7_r03_c3.png")
    assert all(name in where for name in names)
    assert "x 32 to 64, y 24 to 48" in where
    tiles = await opened(StackReader(), path_params, params, tile_job(x=(32, 70), y=(24, 50)))
    assert (await tiles.describe()).dtype == "uint16"
    assert "x 32 to 64, y 24 to 48" in tiles.locate(TileIndex(1, 1, 0, 0))
    for index in (TileIndex(3, 1, 0, 0), TileIndex(1, 0, 0, 0), TileIndex(1, 1, 0, 1)):
        with pytest.raises(SourceError):
            await tiles.read(index)


async def test_params_of_chunks_are_checked():
    with pytest.raises(ConfigError, match="images"):
        await opened(StackChunkReader(), {"root_dir": "", "base_filename": "<>", "extension": ""},
                     {"images": "tiles"}, chunk_job())  # fmt: skip
