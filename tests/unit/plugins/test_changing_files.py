"""Files that change while they are read: noticed, told by name, and read anew by the next try."""

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from boss_ingest.errors import MissingSourceError, SourceError
from boss_ingest.plugins import files, hdf5, multipage_tiff
from boss_ingest.plugins.files import ChangedSourceError, Folder, Version
from boss_ingest.plugins.reader import Box, Setup, TileIndex
from boss_ingest.plugins.stack_readers import StackChunkReader
from boss_ingest.plugins.tiff import TiffTileReader, TiffVolumeReader

h5py = pytest.importorskip("h5py", reason="needs boss-ingest[hdf5]")
tifffile = pytest.importorskip("tifffile", reason="needs boss-ingest[tiff]")

OLD = np.random.default_rng(1).integers(0, 256, (4, 96, 128), np.uint8)
NEW = 255 - OLD
TILES = {
    "extent": {"x": [0, 128], "y": [0, 96], "z": [0, 4], "t": [0, 1]},
    "tile_size": {"x": 64, "y": 48, "z": 1, "t": 1},
    "resolution": 0,
}
CHUNKS = {"extent": TILES["extent"], "chunk_size": {"x": 64, "y": 48, "z": 4}, "resolution": 0}
PART = slice(None), slice(48, 96), slice(64, 128)
CHANGED = "changed while it was read"


def tiff(file, volume, **how):
    tifffile.imwrite(file, volume, photometric="minisblack", **how)


def packed_tiff(file, volume):
    tiff(file, volume, tile=(32, 32), compression="zlib", metadata=None)


def striped_tiff(file, volume):
    tiff(file, volume, rowsperstrip=8, metadata=None)


def imagej_tiff(file, volume):
    tiff(file, volume, imagej=True, metadata={"axes": "ZYX"})


def packed_hdf5(file, volume):
    with h5py.File(file, "w") as into:
        into.create_dataset("em", data=volume, chunks=(4, 48, 64), compression="gzip")


def big_blocks_hdf5(file, volume):
    with h5py.File(file, "w") as into:
        into.create_dataset("em", data=volume, chunks=volume.shape, compression="gzip", shuffle=True)


def plain_hdf5(file, volume):
    with h5py.File(file, "w") as into:
        into["em"] = volume


def in_place(save, file, volume):
    """Written over, in the same file: a second later, as clocks of file systems are slow."""
    other = file.with_name("other")
    save(other, volume)
    at_ns = file.stat().st_mtime_ns
    file.write_bytes(other.read_bytes())
    os.utime(file, ns=(at_ns + 10**9, at_ns + 10**9))


def replaced(save, file, volume):
    """Another file in its place."""
    save(file.with_name("other"), volume)
    file.with_name("other").replace(file)


async def opened(kind, job, params, path_params=None):
    reader = kind()
    await reader.open(Setup(path_params or {}, params, job, Path(), 1 << 24))
    return reader


async def tile_of_tiff(file):
    return await opened(TiffTileReader, TILES, {"filename": str(file)})


async def tile_of_pages(file):
    job = TILES | {"extent": TILES["extent"] | {"z": [0, 1], "t": [0, 4]}}
    return await opened(multipage_tiff.SingleTimeTiffReader, job, {"datatype": "uint8"}, {"z_0": str(file)})


async def tile_of_hdf5(file):
    params = {
        "upload_format": "png", "data_name": "em", "datatype": "uint8", "filesystem": "local",
        "offset_x": 0, "offset_y": 0, "offset_z": 0,
    }  # fmt: skip
    return await opened(hdf5.Hdf5SingleFileReader, TILES, params, {"filename": str(file)})


async def box_of_tiff(file):
    return await opened(TiffVolumeReader, CHUNKS, {"filename": str(file)})


async def box_of_hdf5(file):
    return await opened(hdf5.Hdf5VolumeReader, CHUNKS, {"filename": str(file), "dataset": "em"})


async def slices_of_tiff(file):
    paths = {"root_dir": str(file.parent), "base_filename": "source", "extension": "tif"}
    job = CHUNKS | {"extent": TILES["extent"] | {"z": [0, 1]}}
    return await opened(StackChunkReader, job, {"images": "slices"}, paths)


async def part(reader):
    """The same voxels (zyx) from any of them."""
    if isinstance(reader, StackChunkReader):
        return await reader.read(Box((0, 48, 64), (1, 96, 128)))
    if hasattr(reader, "params") or isinstance(reader, TiffTileReader):
        return np.stack([await reader.read(TileIndex(1, 1, z, 0)) for z in range(4)])
    if isinstance(reader, multipage_tiff.SingleTimeTiffReader):
        return np.stack([await reader.read(TileIndex(1, 1, 0, t)) for t in range(4)])
    return await reader.read(Box((0, 48, 64), (4, 96, 128)))


async def holds(reader, volume):
    """Whether it reads the voxels of this volume."""
    found = await part(reader)
    return (found == volume[PART][: len(found)]).all()


def one_slice_tiff(file, volume):
    tiff(file, volume[0])


READERS = [
    *((tile_of_tiff, save) for save in (tiff, packed_tiff, striped_tiff)),
    *((box_of_tiff, save) for save in (tiff, packed_tiff, striped_tiff)),
    (tile_of_pages, tiff),
    (tile_of_pages, packed_tiff),
    (slices_of_tiff, one_slice_tiff),
    *(
        (open_it, save)
        for open_it in (tile_of_hdf5, box_of_hdf5)
        for save in (packed_hdf5, big_blocks_hdf5, plain_hdf5)
    ),
]


@pytest.mark.parametrize("change", [in_place, replaced])
@pytest.mark.parametrize(("open_it", "save"), READERS)
async def test_a_file_that_changed_since_the_last_task_is_told_once_and_then_read_anew(
    tmp_path, open_it, save, change
):
    file = tmp_path / "source.tif"
    save(file, OLD)
    reader = await open_it(file)
    assert await holds(reader, OLD)
    change(save, file, NEW)
    with pytest.raises(SourceError, match=rf"source\.tif {CHANGED}"):
        await part(reader)
    assert await holds(reader, NEW)
    await reader.close()


def changing(monkeypatch, file, *, at):
    """Have the file grow just before it is looked at for the n-th time."""
    real, seen = Version.of.__func__, []

    def of(cls, where):
        seen.append(where)
        if len(seen) == at:
            with file.open("ab") as handle:
                handle.write(b"more")
        return real(cls, where)

    monkeypatch.setattr(files.Version, "of", classmethod(of))


@pytest.mark.parametrize(("open_it", "save"), READERS)
async def test_a_change_in_the_middle_of_a_read_throws_away_what_was_read(
    tmp_path, monkeypatch, open_it, save
):
    file = tmp_path / "source.tif"
    save(file, OLD)
    reader = await open_it(file)
    assert await holds(reader, OLD)
    changing(monkeypatch, file, at=2)
    with pytest.raises(SourceError, match=rf"source\.tif {CHANGED}"):
        await part(reader)
    await reader.close()


async def test_a_whole_file_that_grows_while_it_is_read_is_told(tmp_path, monkeypatch):
    file = tmp_path / "tile.png"
    file.write_bytes(b"pixels")
    folder = Folder(str(tmp_path))
    changing(monkeypatch, file, at=2)
    with pytest.raises(SourceError, match=rf"tile\.png {CHANGED}") as caught:
        await folder.read(str(file), most_bytes=100)
    assert "still writing" in caught.value.hint
    assert await folder.read(str(file), most_bytes=100) == b"pixelsmore"


@pytest.mark.parametrize(
    ("open_it", "old", "new"),
    [
        (box_of_tiff, tiff, packed_tiff),
        (box_of_tiff, packed_tiff, imagej_tiff),
        (tile_of_tiff, imagej_tiff, striped_tiff),
        (tile_of_pages, tiff, packed_tiff),
        (box_of_hdf5, packed_hdf5, big_blocks_hdf5),
        (box_of_hdf5, big_blocks_hdf5, plain_hdf5),
    ],
)
async def test_what_was_known_of_the_old_file_is_not_used_for_the_new(tmp_path, open_it, old, new):
    file = tmp_path / "source.tif"
    old(file, OLD)
    reader = await open_it(file)
    in_place(new, file, NEW)
    with suppress(ChangedSourceError):  # of those that know something of it already
        assert await holds(reader, NEW)
    assert await holds(reader, NEW)
    await reader.close()


@pytest.mark.parametrize(
    ("open_it", "save"), [(box_of_tiff, tiff), (tile_of_tiff, tiff), (box_of_hdf5, packed_hdf5)]
)
async def test_a_volume_that_went_away_is_not_made_up_and_one_that_comes_back_is_read(
    tmp_path, open_it, save
):
    file = tmp_path / "source.tif"
    save(file, OLD)
    reader = await open_it(file)
    file.rename(tmp_path / "elsewhere")
    for _ in range(2):
        with pytest.raises(SourceError, match=r"source\.tif") as caught:
            await part(reader)
        assert not isinstance(caught.value, MissingSourceError), '"missing": "zeros" would make it black'
    (tmp_path / "elsewhere").rename(file)
    assert await holds(reader, OLD)
    await reader.close()


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="Linux tells which files are open")
@pytest.mark.parametrize(("open_it", "save"), [(tile_of_tiff, packed_tiff), (tile_of_hdf5, packed_hdf5)])
async def test_no_file_stays_open_that_is_no_longer_read(tmp_path, open_it, save):
    file = tmp_path / "source.tif"
    save(file, OLD)
    reader = await open_it(file)
    assert await holds(reader, OLD)
    before = open_files()
    for volume in (NEW, OLD, NEW):
        replaced(save, file, volume)
        with pytest.raises(SourceError, match=CHANGED):
            await part(reader)
        assert await holds(reader, volume)
    assert open_files() == before
    await reader.close()
