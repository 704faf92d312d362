"""Volumes in TIFF files of every make: each voxel at its place, no more read than is needed, damage told."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from boss_ingest.errors import ConfigError, MissingSourceError, SourceError
from boss_ingest.plugins.reader import Box, Setup, TileIndex
from boss_ingest.plugins.tiff import TiffTileReader, TiffVolumeReader

tifffile = pytest.importorskip("tifffile", reason="needs boss-ingest[tiff]")

SHAPE = (9, 70, 100)
VOLUME = (np.arange(np.prod(SHAPE)) * 7 % 65521).astype(np.uint16).reshape(SHAPE)
CHUNKS = {"chunk_size": {"x": 512, "y": 512, "z": 16}, "extent": {}}
BOXES = [((0, 0, 0), SHAPE), ((3, 5, 7), (8, 69, 53)), ((8, 69, 99), SHAPE), ((0, 64, 0), (1, 70, 100))]
GREY = {"photometric": "minisblack"}


def tiles(**extent):
    spans = {"x": [0, 100], "y": [0, 70], "z": [0, 9], "t": [0, 1]} | extent
    return {"extent": spans, "tile_size": {"x": 32, "y": 32, "z": 1, "t": 1}, "resolution": 0}


async def opened(kind, file, job=None, cache_bytes=1 << 24, **params):
    reader = kind()
    job = job or (CHUNKS if kind is TiffVolumeReader else tiles())
    try:
        await reader.open(Setup({}, {"filename": str(file), **params}, job, Path(), cache_bytes))
    except BaseException:
        await reader.close()
        raise
    return reader


async def whole(file, shape=SHAPE, **params):
    reader = await opened(TiffVolumeReader, file, **params)
    try:
        return await reader.read(Box((0, 0, 0), shape))
    finally:
        await reader.close()


@pytest.mark.parametrize(
    "how",
    [
        {**GREY},
        {**GREY, "metadata": None},
        {**GREY, "bigtiff": True},
        {**GREY, "byteorder": ">"},
        {**GREY, "byteorder": ">", "compression": "zlib", "predictor": True},
        {**GREY, "rowsperstrip": 7, "metadata": None},
        {**GREY, "rowsperstrip": 7, "compression": "lzw", "predictor": True},
        {**GREY, "rowsperstrip": 64, "compression": "zstd"},
        {**GREY, "compression": "packbits", "metadata": None},
        {**GREY, "tile": (32, 48)},
        {**GREY, "tile": (16, 16), "compression": "zlib"},
        {**GREY, "tile": (128, 256), "compression": "lzma"},
        {**GREY, "volumetric": True, "tile": (4, 32, 32), "compression": "zlib"},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {**GREY, "ome": True, "metadata": {"axes": "ZYX"}},
        {**GREY, "ome": True, "metadata": {"axes": "ZYX"}, "tile": (32, 32), "compression": "zlib"},
    ],
    ids=lambda how: " ".join(f"{key}={value}" for key, value in how.items() if key != "photometric"),
)
async def test_every_make_of_file_has_the_same_voxels(tmp_path, how):
    tifffile.imwrite(tmp_path / "v.tif", VOLUME, **how)
    reader = await opened(TiffVolumeReader, tmp_path / "v.tif")
    info = await reader.describe()
    assert (info.dtype, info.shape_zyx) == ("uint16", SHAPE)
    for start, stop in BOXES:
        array = await reader.read(Box(start, stop))
        assert array.dtype == np.uint16
        assert (array == VOLUME[tuple(map(slice, start, stop))]).all()
    await reader.close()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "uint64", "bool"])
async def test_types_come_as_they_are(tmp_path, dtype):
    volume = (VOLUME % 2 if dtype == "bool" else VOLUME % 251).astype(dtype)
    tifffile.imwrite(tmp_path / "v.tif", volume, **GREY)
    array = await whole(tmp_path / "v.tif")
    assert array.dtype == dtype
    assert (array == volume).all()


async def test_eight_bits_with_0_as_white_are_turned_round_as_pillow_and_the_boss_do(tmp_path):
    from PIL import Image

    volume = VOLUME.astype(np.uint8)
    for file, compression in (("a.tif", None), ("b.tif", "zlib")):
        tifffile.imwrite(
            tmp_path / file, volume, photometric="miniswhite", compression=compression, metadata=None
        )
        array = await whole(tmp_path / file)
        with Image.open(tmp_path / file) as image:
            assert (array[0] == np.asarray(image)).all()
        assert (array == 255 - volume).all()


async def test_time_and_channel_are_chosen_by_name(tmp_path):
    hyper = np.stack([np.stack([VOLUME + 1000 * t + 100 * c for c in range(2)], axis=1) for t in range(3)])
    tifffile.imwrite(tmp_path / "tzcyx.tif", hyper, imagej=True, metadata={"axes": "TZCYX"})
    swapped = hyper.transpose(2, 0, 1, 3, 4)
    tifffile.imwrite(tmp_path / "ctzyx.ome.tif", swapped, ome=True, metadata={"axes": "CTZYX"}, **GREY)
    for file in ("tzcyx.tif", "ctzyx.ome.tif"):
        array = await whole(tmp_path / file, index={"t": 2, "C": 1})
        assert (array == hyper[2, :, 1]).all()
        with pytest.raises(ConfigError, match="C 2") as caught:
            await whole(tmp_path / file, index={"t": 2})
        assert '"index": {"c": 0}' in caught.value.problems[0].fix
        for wrong in (
            {"t": 3, "c": 0},
            {"q": 0, "t": 0, "c": 0},
            {"z": 0, "t": 0, "c": 0},
            {"t": -1, "c": 0},
        ):
            with pytest.raises(ConfigError, match="index"):
                await whole(tmp_path / file, index=wrong)


async def test_a_tile_jobs_time_is_the_files(tmp_path):
    series = np.stack([VOLUME + 1000 * t for t in range(3)])
    tifffile.imwrite(tmp_path / "v.tif", series, imagej=True, metadata={"axes": "TZYX"})
    reader = await opened(TiffTileReader, tmp_path / "v.tif", tiles(t=[0, 3]))
    for t in range(3):
        tile = await reader.read(TileIndex(1, 1, 4, t))
        assert (tile == series[t, 4, 32:64, 32:64]).all()
        assert f"t {t}" in reader.locate(TileIndex(1, 1, 4, t))
    await reader.close()
    with pytest.raises(ConfigError, match="extent in t"):
        await opened(TiffTileReader, tmp_path / "v.tif", tiles(t=[0, 3]), index={"t": 0})


async def test_one_colour_of_a_colour_image_is_chosen_by_its_sample(tmp_path):
    colours = np.stack([VOLUME.astype("u1") + 50 * c for c in range(3)], axis=-1)
    together = {"photometric": "rgb", "metadata": None}
    tifffile.imwrite(tmp_path / "contig.tif", colours, **together)
    tifffile.imwrite(tmp_path / "tiled.tif", colours, tile=(32, 32), compression="zlib", **together)
    apart = colours.transpose(0, 3, 1, 2)
    tifffile.imwrite(tmp_path / "planar.tif", apart, planarconfig="separate", rowsperstrip=9, **together)
    tifffile.imwrite(tmp_path / "planar2.tif", apart, planarconfig="separate", compression="lzw", **together)
    for file in ("contig.tif", "tiled.tif", "planar.tif", "planar2.tif"):
        for sample in range(3):
            array = await whole(tmp_path / file, index={"s": sample})
            assert (array == colours[..., sample]).all(), file
        with pytest.raises(ConfigError, match="S 3"):
            await whole(tmp_path / file)


async def test_the_job_file_may_name_the_axes(tmp_path):
    tifffile.imwrite(tmp_path / "t.tif", VOLUME, imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(ConfigError) as caught:
        await whole(tmp_path / "t.tif")
    assert '"axes"' in caught.value.problems[0].fix
    assert (await whole(tmp_path / "t.tif", axes="zyx") == VOLUME).all()
    both = np.stack([VOLUME, VOLUME + 1])
    tifffile.imwrite(tmp_path / "qq.tif", both, **GREY)
    with pytest.raises(ConfigError, match="axes"):
        await whole(tmp_path / "qq.tif")
    assert (await whole(tmp_path / "qq.tif", axes="CZYX", index={"c": 1}) == VOLUME + 1).all()
    tifffile.imwrite(tmp_path / "zc.tif", both.swapaxes(0, 1), **GREY)
    assert (await whole(tmp_path / "zc.tif", axes="ZCYX", index={"c": 1}) == VOLUME + 1).all()
    for wrong in ("ZY", "ZZYX", "ABCDYX", "ZXQ"):
        with pytest.raises(ConfigError, match="axes"):
            await whole(tmp_path / "zc.tif", axes=wrong)


async def test_one_page_is_a_volume_of_one_slice(tmp_path):
    tifffile.imwrite(tmp_path / "v.tif", VOLUME[0], **GREY)
    assert (await whole(tmp_path / "v.tif", (1, 70, 100)) == VOLUME[:1]).all()


async def test_of_several_series_one_is_chosen(tmp_path):
    with tifffile.TiffWriter(tmp_path / "v.tif") as file:
        file.write(VOLUME[:, :30], **GREY)
        file.write(VOLUME, **GREY)
    assert (await whole(tmp_path / "v.tif", series=1) == VOLUME).all()
    with pytest.raises(ConfigError, match="series"):
        await whole(tmp_path / "v.tif", series=2)


async def test_tiles_are_cut_to_the_extent_and_to_where_the_image_ends(tmp_path):
    tifffile.imwrite(tmp_path / "v.tif", VOLUME, tile=(32, 32), compression="zlib", **GREY)
    reader = await opened(TiffTileReader, tmp_path / "v.tif", tiles(x=[32, 90], y=[0, 128]))
    assert (await reader.read(TileIndex(1, 0, 3, 0)) == VOLUME[3, :32, 32:64]).all()
    assert (await reader.read(TileIndex(2, 2, 3, 0)) == VOLUME[3, 64:, 64:90]).all()
    with pytest.raises(SourceError, match="70 rows"):
        await reader.read(TileIndex(1, 3, 3, 0))
    for outside in (
        TileIndex(0, 0, 0, 0),
        TileIndex(1, 4, 0, 0),
        TileIndex(1, 0, 9, 0),
        TileIndex(1, 0, 0, 1),
    ):
        with pytest.raises(SourceError):
            await reader.read(outside)
    await reader.close()


only_linux_tells = pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="Linux tells what was read")


def bytes_read():
    return int(Path("/proc/self/io").read_text().split()[1])


def calls():
    return int(Path("/proc/self/io").read_text().split()[5])


@only_linux_tells
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"tile": (64, 64)},
        {"tile": (64, 64), "compression": "zlib"},
        {"rowsperstrip": 8, "compression": "lzw"},
    ],
)
async def test_tasks_that_share_blocks_read_each_once(tmp_path, how):
    volume = np.random.default_rng(1).integers(0, 255, (16, 512, 512), np.uint8)
    tifffile.imwrite(tmp_path / "v.tif", volume, **GREY, **how)
    job = {"extent": {}, "chunk_size": {"x": 128, "y": 128, "z": 8}}
    reader = await opened(TiffVolumeReader, tmp_path / "v.tif", job)
    before = bytes_read()
    boxes = [
        Box((z, y, x), (z + 8, y + 128, x + 128))
        for z in (0, 8)
        for y in range(0, 512, 128)
        for x in range(0, 512, 128)
    ]
    for array, box in zip(await asyncio.gather(*map(reader.read, boxes)), boxes, strict=True):
        assert (array == volume[tuple(map(slice, box.start_zyx, box.stop_zyx))]).all()
    assert bytes_read() - before < 1.1 * (tmp_path / "v.tif").stat().st_size
    await reader.close()


@only_linux_tells
async def test_a_tile_reads_only_its_part_of_the_file(tmp_path):
    volume = np.zeros((4, 2048, 2048), np.uint8)
    tifffile.imwrite(tmp_path / "v.tif", volume, **GREY)
    reader = await opened(TiffTileReader, tmp_path / "v.tif", tiles(x=[0, 2048], y=[0, 2048], z=[0, 4]))
    before = bytes_read()
    await reader.read(TileIndex(5, 5, 3, 0))
    assert bytes_read() - before < 20_000
    await reader.close()


@only_linux_tells
@pytest.mark.parametrize(("cache_bytes", "most_calls"), [(1 << 24, 200), (1 << 16, 16 * 256 + 200)])
async def test_tiles_beside_each_other_share_their_rows_where_these_fit_the_cache(
    tmp_path, cache_bytes, most_calls
):
    volume = np.random.default_rng(1).integers(0, 255, (4, 256, 256), np.uint16)
    tifffile.imwrite(tmp_path / "v.tif", volume, byteorder=">", **GREY)
    job = tiles(x=[0, 256], y=[0, 256], z=[0, 4]) | {"tile_size": {"x": 64, "y": 64, "z": 1, "t": 1}}
    reader = await opened(TiffTileReader, tmp_path / "v.tif", job, cache_bytes=cache_bytes)
    indices = [TileIndex(x, y, z, 0) for z in range(4) for y in range(4) for x in range(4)]
    before, calls_before = bytes_read(), calls()
    found = await asyncio.gather(*map(reader.read, indices))
    assert bytes_read() - before < 1.1 * (tmp_path / "v.tif").stat().st_size
    assert calls() - calls_before < most_calls
    for at, tile in zip(indices, found, strict=True):
        assert (tile == volume[at.z, 64 * at.y : 64 * at.y + 64, 64 * at.x : 64 * at.x + 64]).all()
    await reader.close()


async def test_a_file_cut_short_is_told_and_other_slices_can_be_read(tmp_path):
    file = tmp_path / "v.tif"
    for how in ({}, {"compression": "zlib", "tile": (32, 32), "metadata": None}):
        tifffile.imwrite(file, VOLUME, **GREY, **how)
        with tifffile.TiffFile(file) as tiff:
            last = tiff.pages[8].dataoffsets[-1]
        reader = await opened(TiffVolumeReader, file)
        with file.open("r+b") as handle:
            handle.truncate(last + 10)
        with pytest.raises(SourceError, match=r"v\.tif") as caught:
            await reader.read(Box((0, 0, 0), SHAPE))
        assert not isinstance(caught.value, MissingSourceError)
        assert (await reader.read(Box((0, 0, 0), (8, 70, 100))) == VOLUME[:8]).all()
        await reader.close()


async def test_damaged_pixels_are_a_source_error_that_names_page_and_tile(tmp_path):
    file = tmp_path / "v.tif"
    tifffile.imwrite(file, VOLUME, compression="zlib", tile=(32, 32), **GREY)
    with tifffile.TiffFile(file) as tiff:
        offset = tiff.pages[4].dataoffsets[2]
    with file.open("r+b") as handle:
        handle.seek(offset)
        handle.write(b"not zlib at all")
    reader = await opened(TiffVolumeReader, file)
    with pytest.raises(SourceError, match=r"tile 2 of .*v\.tif page 4"):
        await reader.read(Box((4, 0, 0), (5, 70, 100)))
    await reader.close()


@pytest.mark.parametrize("body", [b"", b"II*\0", b"not a tiff", b"II*\0\xff\xff\xff\xff"])
async def test_what_is_no_tiff_is_a_source_error(tmp_path, body):
    (tmp_path / "v.tif").write_bytes(body)
    with pytest.raises((SourceError, ConfigError), match=r"v\.tif") as caught:
        await whole(tmp_path / "v.tif")
    assert not isinstance(caught.value, MissingSourceError)


async def test_a_missing_file_and_a_folder_are_told(tmp_path):
    with pytest.raises(MissingSourceError, match="none") as caught:
        await whole(tmp_path / "none.tif")
    assert "filename" in caught.value.hint
    with pytest.raises(SourceError):
        await whole(tmp_path)


async def test_tiles_that_were_never_written_are_an_error_unless_they_may_be_zeros(tmp_path):
    file = tmp_path / "v.tif"
    volume = VOLUME.copy()
    tifffile.imwrite(file, volume, compression="zlib", tile=(32, 32), metadata=None, **GREY)
    with tifffile.TiffFile(file, mode="r+b") as tiff:
        counts = list(tiff.pages[4].databytecounts)
        counts[1] = 0
        tiff.pages[4].tags["TileByteCounts"].overwrite(counts)
    with pytest.raises(SourceError, match=r"tile 1 of .* is empty") as caught:
        await whole(file, missing="zeros")
    assert not isinstance(caught.value, MissingSourceError), "the tiles beside it would be lost"
    volume[4, :32, 32:64] = 0
    assert (await whole(file, empty_blocks="fill") == volume).all()


async def test_a_block_too_large_for_the_job_is_not_decoded(tmp_path):
    file = tmp_path / "bomb.tif"
    tifffile.imwrite(
        file, np.zeros((1, 20_000, 20_000), np.uint8), compression="zlib", rowsperstrip=20_000, **GREY
    )
    reader = await opened(TiffTileReader, file, tiles(z=[0, 1]), cache_bytes=1 << 20)
    with pytest.raises(SourceError, match="400000000 bytes") as caught:
        await reader.read(TileIndex(0, 0, 0, 0))
    assert "--memory" in caught.value.hint
    await reader.close()


async def test_an_ome_tiff_may_not_lead_out_of_its_folder(tmp_path):
    file = tmp_path / "v.ome.tif"
    tifffile.imwrite(file, VOLUME, ome=True, metadata={"axes": "ZYX"}, **GREY)
    with tifffile.TiffFile(file) as tiff:
        xml = tiff.ome_metadata.replace("</TiffData>", '<UUID FileName="../x.tif">u</UUID></TiffData>')
        xml = (
            xml
            if "FileName" in xml
            else xml.replace(
                '"/></Pixels>', '"><UUID FileName="../x.tif">urn:uuid:1</UUID></TiffData></Pixels>'
            )
        )
    assert "../x.tif" in xml
    tifffile.imwrite(file, VOLUME, description=xml.encode(), metadata=None, **GREY)
    with pytest.raises(SourceError, match="outside of its folder"):
        await whole(file)


async def test_an_ome_tiff_of_several_files_is_read_from_all_of_them(tmp_path):
    names = ["a.ome.tif", "b.ome.tif"]
    planes = "".join(
        f'<TiffData FirstZ="{z}" IFD="{z % 5}" PlaneCount="1">'
        f'<UUID FileName="{names[z // 5]}">urn:uuid:{z // 5}</UUID></TiffData>'
        for z in range(9)
    )
    for n, name in enumerate(names):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{n}">'
            '<Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" '
            'SizeX="100" SizeY="70" SizeZ="9" SizeC="1" SizeT="1">'
            f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{planes}</Pixels></Image></OME>'
        )
        part = VOLUME[5 * n : 5 * n + 5]
        tifffile.imwrite(tmp_path / name, part, description=xml, metadata=None, compression="zlib", **GREY)
    assert (await whole(tmp_path / "a.ome.tif") == VOLUME).all()
    (tmp_path / "b.ome.tif").unlink()
    reader = await opened(TiffVolumeReader, tmp_path / "a.ome.tif")
    assert (await reader.read(Box((0, 0, 0), (5, 70, 100))) == VOLUME[:5]).all()
    with pytest.raises(MissingSourceError, match="Z 5"):
        await reader.read(Box((5, 0, 0), (6, 70, 100)))
    with pytest.raises(SourceError, match="Z 5; 4 of the 9 slices") as caught:
        await reader.read(Box((0, 0, 0), SHAPE))
    assert not isinstance(caught.value, MissingSourceError), "the five others would be lost"
    await reader.close()


async def test_pages_that_differ_from_the_first_are_not_taken_for_its_like(tmp_path):
    with tifffile.TiffWriter(tmp_path / "v.tif") as file:
        for z in range(3):
            image = VOLUME[z] if z != 1 else VOLUME[z].astype(np.float32)
            file.write(image, metadata=None, contiguous=False, **GREY)
    array = await whole(tmp_path / "v.tif", (2, 70, 100))
    assert (array == VOLUME[[0, 2]]).all()  # as tifffile sorts them: the odd one is another series


async def test_wrong_params_are_told_by_name(tmp_path):
    for params in ({"file_name": "x"}, {"series": -1}, {"index": {"c": "1"}}, {"empty_blocks": "yes"}):
        with pytest.raises(ConfigError):
            await opened(TiffVolumeReader, tmp_path / "v.tif", **params)
