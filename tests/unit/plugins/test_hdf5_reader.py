"""HDF5, the async readers: the same voxels as the classic face, each stored block decoded once."""

import asyncio
import io
import zlib
from collections import Counter
from itertools import product

import numpy as np
import pytest
from PIL import Image

from boss_ingest.errors import ConfigError, MissingSourceError, SourceAwayError, SourceError
from boss_ingest.plugins import hdf5, hdf5_blocks, hdf5_files
from boss_ingest.plugins.reader import Box, MadeUp, Setup, TileIndex
from tests.source_buckets import SERVERS, s3_server

h5py = pytest.importorskip("h5py", reason="needs boss-ingest[hdf5]")

SHAPE = (20, 90, 100)
TILE_JOB = {
    "extent": {"x": [0, 100], "y": [0, 90], "z": [0, 20], "t": [0, 3]},
    "tile_size": {"x": 64, "y": 32, "z": 1, "t": 1},
}
CHUNK_JOB = {"extent": TILE_JOB["extent"], "chunk_size": {"x": 64, "y": 32, "z": 16}}


def voxels(shape=SHAPE, dtype=np.uint16):
    return (np.arange(np.prod(shape)) * 7 % 65521).astype(dtype).reshape(shape)


def write(path, array, name="em", **how):
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=array, **how)
    return path


async def opened(kind, path_params, params, ingest_job=TILE_JOB, cache_bytes=64 << 20):
    reader = kind()
    await reader.open(Setup(path_params, params, ingest_job, path_params.get("job_dir", ""), cache_bytes))
    return reader


async def single(path, cache_bytes=64 << 20, **params):
    names = {"filename": str(path)}
    return await opened(
        hdf5.Hdf5SingleFileReader, names, {"data_name": "em", **params}, cache_bytes=cache_bytes
    )


async def volume(path, ingest_job=CHUNK_JOB, cache_bytes=64 << 20, **params):
    given = {"filename": str(path), "dataset": "em", **params}
    return await opened(hdf5.Hdf5VolumeReader, {}, given, ingest_job, cache_bytes)


@pytest.fixture
def fetched(monkeypatch):
    """How often each stored block was fetched, and how often HDF5 itself decoded a box."""
    monkeypatch.setattr(hdf5_files, "WORTHWHILE_BYTES", 0)
    count = Counter()
    packed, part = hdf5_files.Files.packed, hdf5_files.Files.part

    def count_packed(self, stored, corners):
        count.update(corners)
        return packed(self, stored, corners)

    def count_part(self, stored, selection):
        count["by HDF5", tuple((each.start, each.stop) for each in selection)] += 1
        return part(self, stored, selection)

    monkeypatch.setattr(hdf5_files.Files, "packed", count_packed)
    monkeypatch.setattr(hdf5_files.Files, "part", count_part)
    return count


HOW = {
    "gzip": {"chunks": (16, 32, 32), "compression": "gzip"},
    "gzip and shuffle": {"chunks": (16, 32, 32), "compression": "gzip", "shuffle": True},
    "lzf": {"chunks": (16, 32, 32), "compression": "lzf"},
    "checksums": {"chunks": (16, 32, 32), "compression": "gzip", "fletcher32": True},
    "no filter": {"chunks": (16, 32, 32)},
    "blocks that fit nothing": {"chunks": (7, 13, 100), "compression": "gzip"},
    "contiguous": {},
    "one block": {"chunks": SHAPE, "compression": "gzip"},
}


@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
@pytest.mark.parametrize("dtype", ["uint8", ">u2", "uint64", "int16"])
async def test_every_way_to_store_gives_the_same_voxels(tmp_path, fetched, how, dtype):
    data = voxels(dtype=dtype)
    path = write(tmp_path / "v.h5", data, **how)
    reader = await volume(path)
    boxes = [
        Box((0, 0, 0), SHAPE),
        Box((0, 0, 0), (16, 32, 64)),
        Box((16, 64, 64), SHAPE),
        Box((3, 5, 7), (4, 6, 8)),
    ]
    for box in boxes:
        array = await reader.read(box)
        z, y, x = (slice(low, high) for low, high in zip(box.start_zyx, box.stop_zyx, strict=True))
        assert array.dtype == np.dtype(dtype)
        assert array.flags.c_contiguous
        assert (array == data[z, y, x]).all()
    if "chunks" in how:
        assert max(fetched.values()) == 1
    await reader.close()


@pytest.mark.parametrize("compression", ["gzip", "lzf"])
async def test_tiles_over_z_decode_each_stored_block_once(tmp_path, fetched, compression):
    data = voxels()
    path = write(tmp_path / "v.h5", data, chunks=(16, 32, 32), compression=compression)
    reader = await single(path)
    indices = [TileIndex(x, y, z, 0) for z in range(20) for y in range(3) for x in range(2)]
    tiles = await asyncio.gather(*(reader.read(index) for index in indices))
    for index, pixels in zip(indices, tiles, strict=True):
        part = data[index.z, 32 * index.y : 32 * (index.y + 1), 64 * index.x : 64 * (index.x + 1)]
        assert pixels.shape == (32, 64)
        assert (pixels[: part.shape[0], : part.shape[1]] == part).all()
        assert pixels.sum() == part.sum()
    assert max(fetched.values()) == 1
    if compression == "gzip":
        assert sum(fetched.values()) == 2 * 3 * 4  # as many as the dataset has
    await reader.close()


async def test_a_contiguous_dataset_is_read_slice_by_slice(tmp_path, fetched):
    reader = await single(write(tmp_path / "v.h5", voxels()))
    await reader.read(TileIndex(1, 2, 5, 0))
    assert list(fetched) == [("by HDF5", ((5, 6), (64, 90), (64, 100)))]
    await reader.close()


async def test_small_blocks_are_left_to_hdf5_some_at_once(tmp_path, monkeypatch, fetched):
    monkeypatch.setattr(hdf5_files, "WORTHWHILE_BYTES", 32 << 10)
    reader = await single(write(tmp_path / "v.h5", voxels(), chunks=(1, 8, 8), compression="gzip"))
    for z in range(20):
        await reader.read(TileIndex(0, 0, z, 0))
    assert len(fetched) < 20
    assert max(fetched.values()) == 1
    await reader.close()


async def test_a_cache_too_small_for_one_block_still_reads(tmp_path):
    data = voxels()
    reader = await volume(
        write(tmp_path / "v.h5", data, chunks=(16, 32, 32), compression="gzip"), cache_bytes=1
    )
    assert (await reader.read(Box((0, 0, 0), SHAPE)) == data).all()
    await reader.close()


async def test_blocks_never_written_hold_the_fill_value(tmp_path, fetched):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        dataset = file.create_dataset("em", SHAPE, "u2", chunks=(16, 32, 32), compression="gzip", fillvalue=9)
        dataset[:16, :32, :32] = 5
    reader = await volume(tmp_path / "v.h5")
    array = await reader.read(Box((0, 0, 0), SHAPE))
    assert (array[:16, :32, :32] == 5).all()
    assert (array == 9).sum() == array.size - 16 * 32 * 32
    await reader.close()


async def test_a_block_without_the_filters_of_the_others_is_read_all_the_same(tmp_path):
    data = voxels()
    path = write(tmp_path / "v.h5", data, chunks=(16, 32, 32), compression="gzip")
    with h5py.File(path, "a") as file:
        plain = np.ascontiguousarray(data[:16, :32, :32])
        file["em"].id.write_direct_chunk((0, 0, 0), plain.tobytes(), filter_mask=1)
    reader = await volume(path)
    assert (await reader.read(Box((0, 0, 0), SHAPE)) == data).all()
    await reader.close()


async def damaged(tmp_path, block):
    path = write(tmp_path / "v.h5", voxels(), chunks=(16, 32, 32), compression="gzip")
    with h5py.File(path, "a") as file:
        file["em"].id.write_direct_chunk((0, 32, 32), block)
    return await volume(path)


@pytest.fixture(params=["imagecodecs", "zlib"])
def unpacking(request, monkeypatch):
    """With libdeflate, and without it."""
    if request.param == "zlib":
        monkeypatch.setattr(hdf5_blocks, "_libdeflate", lambda: None)
    else:
        pytest.importorskip("imagecodecs", reason="needs boss-ingest[tiff]")


@pytest.mark.usefixtures("unpacking")
@pytest.mark.parametrize(
    "block", [b"no zlib at all", zlib.compress(bytes(10)), zlib.compress(bytes(1 << 15))[:-9]]
)
async def test_a_damaged_block_harms_only_those_who_need_it(tmp_path, block):
    reader = await damaged(tmp_path, block)
    with pytest.raises(SourceError, match=r"v\.h5:em"):
        await reader.read(Box((0, 32, 32), (1, 33, 33)))
    assert (await reader.read(Box((0, 0, 0), (20, 32, 100))) == voxels()[:, :32]).all()
    await reader.close()


@pytest.mark.usefixtures("unpacking")
async def test_a_block_that_holds_too_much_is_not_unpacked(tmp_path):
    reader = await damaged(tmp_path, zlib.compress(bytes(100 << 20)))
    with pytest.raises(SourceError, match="more than 32768 bytes"):
        await reader.read(Box((0, 32, 32), (1, 33, 33)))
    await reader.close()


async def test_a_dataset_of_huge_blocks_is_refused(tmp_path):
    with h5py.File(tmp_path / "v.h5", "w") as file:
        file.create_dataset("em", (1000, 1000, 1000), "u2", chunks=(500, 1000, 1000), compression="gzip")
    reader = await volume(tmp_path / "v.h5", cache_bytes=1 << 20)
    with pytest.raises(SourceError, match="500 × 1000 × 1000") as caught:
        await reader.read(Box((0, 0, 0), (16, 16, 16)))
    assert "h5repack" in caught.value.hint
    await reader.close()


async def test_no_more_than_a_few_files_are_open(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5_files, "MOST_FILES", 3)
    for z in range(10):
        write(tmp_path / f"{z}.h5", voxels((32, 64)) + z, chunks=(16, 16))
    names = {"root_dir": str(tmp_path), "base_filename": "<>", "extension": "h5"}
    reader = await opened(hdf5.Hdf5SliceReader, names, {"data_name": "em"})
    tiles = await asyncio.gather(*(reader.read(TileIndex(0, 0, z % 10, 0)) for z in range(30)))
    assert all((pixels == voxels((32, 64)) + z % 10).all() for z, pixels in enumerate(tiles))
    assert len(reader._blocks._files._opened) == 3
    await reader.close()
    with h5py.File(tmp_path / "0.h5", "a") as file:  # nobody holds it any more
        file["em"][0, 0] = 1


# --- other files that a file leads to


@pytest.fixture
def outside(tmp_path):
    """A volume in `out`, and two files in `in` that lead to it: by a link, and as a virtual dataset."""
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    data = voxels()
    source = write(tmp_path / "out/v.h5", data)
    with h5py.File(tmp_path / "in/link.h5", "w") as file:
        file["em"] = h5py.ExternalLink(str(source), "em")
    layout = h5py.VirtualLayout(SHAPE, data.dtype)
    layout[...] = h5py.VirtualSource(source, "em", SHAPE)
    with h5py.File(tmp_path / "in/virtual.h5", "w") as file:
        file.create_virtual_dataset("em", layout)
    return tmp_path


@pytest.mark.parametrize("name", ["link.h5", "virtual.h5"])
async def test_other_files_are_read_inside_the_folder_or_where_allowed(outside, name):
    with pytest.raises(SourceError, match="outside"):
        await volume(outside / "in" / name)
    reader = await volume(outside / "in" / name, allow_outside_root=True)
    assert (await reader.read(Box((0, 0, 0), SHAPE)) == voxels()).all()
    await reader.close()


@pytest.mark.parametrize("name", ["link.h5", "virtual.h5"])
async def test_other_files_that_are_gone_are_no_zeros(outside, name):
    (outside / "out/v.h5").unlink()
    with pytest.raises(SourceError, match=r"v\.h5|no dataset") as caught:
        await volume(outside / "in" / name, allow_outside_root=True)
    assert not isinstance(caught.value, MissingSourceError), "the voxels of other files would be lost"


async def test_the_other_files_of_a_virtual_dataset_that_vanish_while_it_is_read_are_no_zeros(tmp_path):
    """As when they lie on a disk of their own, which is unmounted, and mounted again."""
    (tmp_path / "out").mkdir()
    data = voxels()
    layout = h5py.VirtualLayout(SHAPE, data.dtype)
    for begin in (0, 10):
        half = write(tmp_path / f"out/{begin}.h5", data[begin : begin + 10])
        layout[begin : begin + 10] = h5py.VirtualSource(half, "em", (10, *SHAPE[1:]))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("em", layout)
    reader = await volume(tmp_path / "virtual.h5")
    first, second = (Box((z, 0, 0), (z + 10, *SHAPE[1:])) for z in (0, 10))
    assert (await reader.read(first) == data[:10]).all()
    (tmp_path / "out").rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(SourceAwayError, match="takes voxels from /"):
            await reader.read(second)
    (tmp_path / "away").rename(tmp_path / "out")
    assert (await reader.read(second) == data[10:]).all()
    await reader.close()


# --- volumes


@pytest.mark.parametrize("how", [{}, {"chunks": True, "compression": "gzip"}], ids=["contiguous", "gzip"])
@pytest.mark.parametrize("axes", ["zyx", "xyz", "yzx", "tczyx", "xyzct", "zcyx"])
async def test_axes_are_in_any_order(tmp_path, axes, how):
    data = voxels()
    sizes = {"t": 3, "c": 2, **dict(zip("zyx", SHAPE, strict=True))}
    stored = np.zeros([sizes[axis] for axis in axes], np.uint16)
    at = {"t": 2, "c": 1}
    stored[tuple(at.get(axis, slice(None)) for axis in axes)] = data.transpose(
        ["zyx".index(a) for a in axes if a in "zyx"]
    )
    fixed = {axis: index for axis, index in at.items() if axis in axes}
    reader = await volume(
        write(tmp_path / "v.h5", stored, "deep/em", **how), axes=axes, dataset="deep/em", **fixed
    )
    box = Box((1, 20, 30), (18, 90, 77))
    array = await reader.read(box)
    assert array.shape == box.shape_zyx
    assert (array == data[1:18, 20:90, 30:77]).all()
    info = await reader.describe()
    assert (info.dtype, info.shape_zyx) == ("uint16", SHAPE)
    assert info.where.endswith("v.h5:deep/em")
    await reader.close()


async def test_an_offset_says_where_the_origin_lies(tmp_path):
    data = voxels()
    reader = await volume(write(tmp_path / "v.h5", data), offset_x=10, offset_y=-20, offset_z=3)
    assert (await reader.read(Box((0, 20, 0), (2, 30, 40))) == data[3:5, 0:10, 10:50]).all()
    with pytest.raises(SourceError, match=r"20 × 90 × 100.*offset_y -20"):
        await reader.read(Box((0, 19, 0), (2, 30, 40)))
    await reader.close()


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"axes": "zy"}, "axes"),
        ({"axes": "zyxx"}, "axes"),
        ({"axes": "zyxq"}, "axes"),
        ({"axes": "tzyx"}, "axes"),
        ({"axes": "ZYX"}, "axes"),
        ({"datset": "em"}, "datset"),
        ({"t": -1}, "t"),
        ({"filesystem": "s3"}, "bucket"),
    ],
)
async def test_params_that_cannot_be_are_a_config_error(tmp_path, params, field):
    with pytest.raises(ConfigError) as caught:
        await volume(write(tmp_path / "v.h5", voxels()), **params)
    assert field in str(caught.value)


async def test_a_channel_that_is_not_there_is_a_config_error(tmp_path):
    path = write(tmp_path / "v.h5", voxels((2, 4, 5, 6)))
    with pytest.raises(ConfigError, match="0 to 1 on axis c"):
        await volume(path, axes="czyx", c=2)


# --- tiles: the same as the classic face

NAMES = {"root_dir": "{}", "base_filename": "<>", "extension": "h5"}
PAIRS = {
    "TimeSeries": ((3, 100, 90, 2), {"dataset": "em", "channel_index": 1, "scale_factor": 0.01}, NAMES),
    "TimeSeriesLabel": ((100, 90), {"dataset": "em"}, NAMES),
    "Slice": ((50, 60), {"data_name": "em", "offset_origin_x": 20, "offset_origin_y": 50}, NAMES),
    "Chunk": ((4, 32, 64), {"data_name": "em", "z_chunk_size": 4},
              {"root_dir": "{}", "extension": "h5", "prefix": "p",
               "x_chunk_size": 64, "y_chunk_size": 32, "z_chunk_size": 4}),
    "SingleFile": (SHAPE, {"data_name": "em", "offset_x": 9, "offset_y": -7}, {"filename": "{}/0.h5"}),
}  # fmt: skip


@pytest.mark.parametrize("layout", PAIRS)
async def test_the_reader_gives_what_the_classic_pair_gives(tmp_path, layout):
    shape, params, names = PAIRS[layout]
    names = {key: value.format(tmp_path) if isinstance(value, str) else value for key, value in names.items()}
    path_class = getattr(hdf5, f"Hdf5{layout.replace('Label', '')}PathProcessor")
    paths, tiles = path_class(), getattr(hdf5, f"Hdf5{layout}TileProcessor")()
    paths.setup({**names, "ingest_job": TILE_JOB})
    tiles.setup({**params, "upload_format": "tiff", "ingest_job": TILE_JOB})
    reader = await opened(getattr(hdf5, f"Hdf5{layout}Reader"), names, params)
    indices = [TileIndex(x, y, z, t) for x, y, z, t in product((0, 1), (0, 1, 2), (0, 5, 19), (0, 2))]
    for index in indices:
        path = paths.process(index.x, index.y, index.z, index.t)
        write(
            path, voxels(shape) + index.z, chunks=tuple(min(16, size) for size in shape), compression="gzip"
        )
    for index, found in zip(indices, await asyncio.gather(*map(reader.read, indices)), strict=True):
        path = paths.process(index.x, index.y, index.z, index.t)
        body = tiles.process(path, index.x, index.y, index.z, index.t)
        wanted = np.asarray(Image.open(io.BytesIO(body.read() if body.seek(0) == 0 else b"")))
        pixels = found.voxels if isinstance(found, MadeUp) else found
        assert pixels.shape == wanted.shape
        assert (pixels == wanted).all()
        assert path in reader.locate(index)
    assert (await reader.describe()).dtype == pixels.dtype.name
    await reader.close()


async def test_zeros_outside_of_the_volume_but_inside_the_extent_are_told_as_made_up(tmp_path):
    stored = voxels((20, 64, 64)) | 1
    path = write(tmp_path / "v.h5", stored)
    inside = await single(path)
    assert (await inside.read(TileIndex(0, 0, 0, 0)) == stored[0, :32, :64]).all()
    await inside.close()
    moved = await single(path, offset_x=-8, offset_z=-1)
    for index, why in ((TileIndex(0, 0, 1, 0), "x -8:56"), (TileIndex(0, 0, 0, 0), "z -1:0")):
        found = await moved.read(index)
        assert isinstance(found, MadeUp)
        assert "v.h5:em has shape (20, 64, 64), the job asks with its offsets for" in found.why
        assert why in found.why
    assert (found.voxels == 0).all()
    await moved.close()


async def test_what_the_job_asks_beyond_the_dataset_is_a_source_error(tmp_path):
    reader = await single(write(tmp_path / "v.h5", voxels((4, 32, 64))))
    with pytest.raises(SourceError, match=r"v\.h5.*no z 4") as caught:
        await reader.read(TileIndex(0, 0, 4, 0))
    assert not isinstance(caught.value, MissingSourceError)
    await reader.close()


async def test_to_be_scaled_further_values_are_not_cut(tmp_path):
    write(tmp_path / "0.h5", np.full((1, 64, 32, 1), 123456.0))
    names = {key: value.format(tmp_path) for key, value in NAMES.items()}
    params = {"dataset": "em", "scale_factor": 0.0001, "convert": {"scale": [0.0, 100.0]}}
    reader = await opened(hdf5.Hdf5TimeSeriesReader, names, params)
    pixels = await reader.read(TileIndex(0, 0, 0, 0))
    assert pixels[0, 0] == pytest.approx(12.3456)
    await reader.close()


async def test_without_h5py_the_user_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ConfigError) as caught:
        await single(tmp_path / "v.h5")
    assert "boss-ingest[hdf5]" in caught.value.hint


# --- S3


@pytest.mark.parametrize("kind", SERVERS)
async def test_files_on_s3_are_read_through_copies_that_are_removed(tmp_path, monkeypatch, kind):
    pytest.importorskip("tensorstore", reason="needs boss-ingest[s3]")
    data = voxels()
    write(tmp_path / "v.h5", data, chunks=(16, 32, 32), compression="gzip")
    copies = tmp_path / "copies"
    copies.mkdir()
    async with s3_server(kind, tmp_path) as server:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", server.access_key)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", server.secret_key)
        server.client.upload_file(str(tmp_path / "v.h5"), "lab", "scans/v.h5")
        where = {"filesystem": "s3", "bucket": "lab", "endpoint_url": server.url, "temp_dir": str(copies)}
        reader = await volume("scans/v.h5", **where)
        assert (await reader.read(Box((0, 0, 0), SHAPE)) == data).all()
        assert reader.locate(Box((0, 0, 0), SHAPE)).startswith("s3://lab/scans/v.h5:em[")
        await reader.close()
        tiles = await single("scans/v.h5", **where)
        assert (await tiles.read(TileIndex(0, 0, 3, 0)) == data[3, :32, :64]).all()
        await tiles.close()
        assert not [path for path in copies.rglob("*") if path.is_file()]
        classic = hdf5.Hdf5SingleFileTileProcessor()
        classic.setup({"data_name": "em", **where, "ingest_job": TILE_JOB})
        with Image.open(await asyncio.to_thread(classic.process, "scans/v.h5", 1, 1, 4, 0)) as image:
            assert (np.asarray(image)[:, :36] == data[4, 32:64, 64:]).all()
        await asyncio.to_thread(classic._objects.close_now)  # else they go with the worker process
        gone = hdf5.Hdf5VolumeReader()
        params = {"filename": "scans/w.h5", "dataset": "em", **where}
        with pytest.raises(MissingSourceError, match=r"s3://lab/scans/w\.h5"):
            await gone.open(Setup({}, params, CHUNK_JOB, tmp_path))
        await gone.close()
        assert not [path for path in copies.rglob("*") if path.is_file()]
