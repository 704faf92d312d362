"""The array reader on Zarr 2 and 3, OME-Zarr, N5 and precomputed from a local disk."""

import asyncio
import json
import zlib
from typing import ClassVar

import numpy as np
import pytest

from boss_ingest.errors import ConfigError, MissingSourceError, SourceAwayError, SourceError
from boss_ingest.plugins import array_volume
from boss_ingest.plugins.array import ArrayReader
from boss_ingest.plugins.array_volume import LEAST_BLOCK_BYTES
from boss_ingest.plugins.reader import Box, Setup
from tests.arrays import (
    JOB,
    SHAPE_ZYX,
    VOLUME,
    half,
    write_n5,
    write_ome,
    write_precomputed,
    write_zarr2,
    write_zarr3,
)

zarr = pytest.importorskip("zarr", reason="writes what others wrote")
numcodecs = pytest.importorskip("numcodecs")

ALL = Box((0, 0, 0), SHAPE_ZYX)


async def opened(url, **params):
    reader = ArrayReader()
    await reader.open(Setup({}, {"url": str(url), **params}, JOB, url if hasattr(url, "exists") else None))
    return reader


async def read(url, box=ALL, **params):
    reader = await opened(url, **params)
    try:
        return await reader.read(box)
    finally:
        await reader.close()


async def refusal(url, kind=ConfigError, **params):
    with pytest.raises(kind) as caught:
        await read(url, **params)
    assert "tensorstore_spec" not in str(caught.value)
    return str(caught.value)


class TestZarrAsItsOwnPackageWritesIt:
    @pytest.mark.parametrize(
        "compressor",
        [
            None,
            numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE),
            numcodecs.Blosc("zstd", 1, numcodecs.Blosc.BITSHUFFLE),
            numcodecs.Zlib(1),
            numcodecs.GZip(1),
            numcodecs.BZ2(1),
            numcodecs.Zstd(1),
        ],
        ids=str,
    )
    async def test_version_2_with_every_compressor(self, tmp_path, compressor):
        array = zarr.create_array(
            tmp_path / "em", data=VOLUME, chunks=(16, 16, 16), zarr_format=2, compressors=compressor
        )
        assert array.shape == SHAPE_ZYX
        assert (await read(tmp_path / "em") == VOLUME).all()

    @pytest.mark.parametrize(
        "codec",
        [zarr.codecs.BloscCodec(), zarr.codecs.GzipCodec(), zarr.codecs.ZstdCodec(), None],
        ids=lambda codec: type(codec).__name__,
    )
    @pytest.mark.parametrize("shards", [None, (32, 32, 32)])
    async def test_version_3_with_every_codec_in_shards_too(self, tmp_path, codec, shards):
        zarr.create_array(
            tmp_path / "em", data=VOLUME, chunks=(16, 16, 16), shards=shards, zarr_format=3, compressors=codec
        )
        assert (await read(tmp_path / "em") == VOLUME).all()

    @pytest.mark.parametrize("order", ["C", "F"])
    @pytest.mark.parametrize("dtype", ["|b1", "|u1", "|i1", "<u2", ">u2", ">i4", "<u8", ">u8", "<f4", ">f8"])
    async def test_version_2_with_every_type_either_endian(self, tmp_path, dtype, order):
        volume = (VOLUME % 2 if dtype == "|b1" else VOLUME).astype(dtype)
        zarr.create_array(tmp_path / "em", data=volume, chunks=(16, 20, 60), zarr_format=2, order=order)
        found = await read(tmp_path / "em")
        assert found.dtype == volume.dtype.newbyteorder("=")
        assert found.dtype.isnative
        assert (found == volume).all()
        reader = await opened(tmp_path / "em")
        assert (await reader.describe()).dtype == found.dtype.name

    async def test_version_3_big_endian(self, tmp_path):
        endian = zarr.codecs.BytesCodec(endian="big")
        zarr.create_array(tmp_path / "em", data=VOLUME, chunks=(16, 16, 16), serializer=endian)
        assert (await read(tmp_path / "em") == VOLUME).all()

    @pytest.mark.parametrize("version", [2, 3])
    async def test_what_was_never_written_is_the_fill_value(self, tmp_path, version):
        array = zarr.create_array(
            tmp_path / "em",
            shape=SHAPE_ZYX,
            chunks=(16, 16, 16),
            dtype="u2",
            fill_value=7,
            zarr_format=version,
        )
        array[:16] = VOLUME[:16]
        found = await read(tmp_path / "em")
        assert (found[:16] == VOLUME[:16]).all()
        assert (found[16:] == 7).all()

    async def test_chunks_in_folders(self, tmp_path):
        separator = {"name": "v2", "separator": "/"}
        zarr.create_array(
            tmp_path / "em", data=VOLUME, chunks=(16, 16, 16), zarr_format=2, chunk_key_encoding=separator
        )
        assert (await read(tmp_path, array="em") == VOLUME).all()

    async def test_dimension_names_say_where_the_axes_are(self, tmp_path):
        zarr.create_array(
            tmp_path / "em", data=VOLUME.T, chunks=(16, 16, 16), dimension_names=["x", "y", "z"]
        )
        found = await read(tmp_path / "em")
        assert (found == VOLUME).all()
        assert found.flags.c_contiguous

    async def test_the_names_xarray_gives_say_it_in_version_2(self, tmp_path):
        array = zarr.create_array(tmp_path / "em", data=VOLUME.T, chunks=(16, 16, 16), zarr_format=2)
        array.attrs["_ARRAY_DIMENSIONS"] = ["x", "y", "z"]
        assert (await read(tmp_path / "em") == VOLUME).all()


class TestAxes:
    @pytest.mark.parametrize(
        ("axes", "turn"), [("xyz", (2, 1, 0)), ("y, x, z", (1, 2, 0)), (["Z", "X", "Y"], (0, 2, 1))]
    )
    async def test_the_params_have_the_last_word(self, tmp_path, axes, turn):
        write_zarr2(tmp_path / "em", VOLUME.transpose(turn))
        assert (await read(tmp_path / "em", axes=axes) == VOLUME).all()

    async def test_one_channel_and_one_time_sample_are_picked(self, tmp_path):
        five = np.stack([np.stack([VOLUME + 100 * t + c for c in range(3)]) for t in range(2)])
        write_zarr3(tmp_path / "em", five, dimension_names=["time", "channel", "z", "y", "x"])
        found = await read(tmp_path / "em", channel=2, time=1)
        assert (found == VOLUME + 102).all()
        said = await refusal(tmp_path / "em", time=1)
        assert "has 3 channels, a job takes one" in said
        assert '"channel" to a number from 0 to 2' in said
        assert "no time 2" in await refusal(tmp_path / "em", time=2, channel=0)

    async def test_more_than_one_of_a_nameless_axis_is_refused(self, tmp_path):
        write_zarr2(tmp_path / "em", np.stack([VOLUME, VOLUME]))
        assert "three axes: z, y, x" in await refusal(tmp_path / "em")
        assert (await read(tmp_path / "em", axes="czyx", channel=1) == VOLUME).all()

    async def test_a_plane_is_one_slice(self, tmp_path):
        write_zarr2(tmp_path / "em", VOLUME[0])
        assert (await read(tmp_path / "em", Box((0, 10, 20), (1, 50, 60))) == VOLUME[:1, 10:, 20:]).all()

    @pytest.mark.parametrize("axes", ["zy", "zyxx", "abc", "zyxt"])
    async def test_axes_that_do_not_fit_are_refused(self, tmp_path, axes):
        write_zarr2(tmp_path / "em")
        assert "40 × 50 × 60, its axes cannot be" in await refusal(tmp_path / "em", axes=axes)


class TestOmeZarr:
    LEVELS: ClassVar = {"s0": VOLUME, "s1": half(VOLUME), "s2": half(half(VOLUME))}

    @pytest.mark.parametrize("version", ["0.4", "0.5"])
    @pytest.mark.parametrize(
        ("level", "name"),
        [(0, "s0"), (2, "s2"), ("s1", "s1"), ([4, 4, 40], "s0"), ([9.0, 9, 40], "s1"), ([99, 99, 1], "s2")],
    )
    async def test_a_level_by_number_path_or_voxel_size(self, tmp_path, version, level, name):
        write_ome(tmp_path, version, self.LEVELS)
        wanted = self.LEVELS[name]
        reader = await opened(tmp_path, level=level)
        assert (await reader.describe()).shape_zyx == wanted.shape
        assert (await reader.describe()).where.endswith(name)
        assert (await reader.read(Box((0, 0, 0), wanted.shape)) == wanted).all()

    @pytest.mark.parametrize("level", [3, -1, "s9"])
    async def test_a_level_that_is_not_there_is_told_what_there_is(self, tmp_path, level):
        write_ome(tmp_path, "0.4", self.LEVELS)
        assert "0 (s0), 1 (s1), 2 (s2)" in await refusal(tmp_path, level=level)

    async def test_axes_come_from_its_metadata(self, tmp_path):
        two = np.stack([VOLUME, VOLUME + 1])[np.newaxis]
        write_ome(tmp_path, "0.4", {"0": two}, axes="tczyx")
        assert (await read(tmp_path, format="ome-zarr", channel=1) == VOLUME + 1).all()

    async def test_old_versions_without_axes_are_tczyx(self, tmp_path):
        write_zarr2(tmp_path / "0", VOLUME[np.newaxis, np.newaxis])
        (tmp_path / ".zattrs").write_text(
            '{"multiscales": [{"version": "0.1", "datasets": [{"path": "0"}]}]}'
        )
        assert (await read(tmp_path) == VOLUME).all()
        assert "does not tell its voxel sizes" in await refusal(tmp_path, level=[1, 1, 1])

    @pytest.mark.parametrize("path", ["../other", "/etc", "a/../../b"])
    async def test_a_level_outside_of_the_volume_is_refused(self, tmp_path, path):
        write_zarr2(tmp_path / "other")
        folder = tmp_path / "volume"
        folder.mkdir()
        (folder / ".zattrs").write_text(
            json.dumps({"multiscales": [{"axes": [*"zyx"], "datasets": [{"path": path}]}]})
        )
        assert "lies outside" in await refusal(folder, SourceError)

    @pytest.mark.parametrize(
        "damage", ['[{"datasets": [{}]}]', '[{"axes": 5, "datasets": []}]', "[5]", '{"a": 1}']
    )
    async def test_damaged_metadata_is_a_source_error(self, tmp_path, damage):
        (tmp_path / ".zattrs").write_text(f'{{"multiscales": {damage}}}')
        assert "damaged" in await refusal(tmp_path, SourceError)

    async def test_a_level_that_was_not_copied_is_named(self, tmp_path):
        (tmp_path / ".zattrs").write_text('{"multiscales": [{"axes": ["z"], "datasets": [{"path": "s0"}]}]}')
        assert f"{tmp_path}/s0 is not there" in await refusal(tmp_path, SourceError)

    async def test_a_plain_array_has_no_such_metadata(self, tmp_path):
        write_zarr3(tmp_path / "em")
        assert "no OME-Zarr metadata" in await refusal(tmp_path / "em", SourceError, format="ome-zarr")


class TestN5:
    @pytest.mark.parametrize("kind", ["raw", "gzip", "bzip2", "xz", "blosc", "zstd"])
    async def test_every_compression(self, tmp_path, kind):
        more = {"cname": "lz4", "clevel": 5, "shuffle": 1} if kind == "blosc" else {}
        write_n5(tmp_path / "em", compression={"type": kind} | more)
        assert (await read(tmp_path / "em", format="n5") == VOLUME).all()

    async def test_its_axes_attribute_is_followed(self, tmp_path):
        write_n5(tmp_path / "em", VOLUME.T, axes=["z", "y", "x"])
        assert (await read(tmp_path / "em") == VOLUME).all()

    async def test_a_multiscale_group_has_its_levels_as_s0_s1(self, tmp_path):
        write_n5(tmp_path / "em/s0")
        write_n5(tmp_path / "em/s1", half(VOLUME))
        (tmp_path / "em/attributes.json").write_text('{"multiScale": true}')
        assert (await read(tmp_path, array="em") == VOLUME).all()
        assert (await read(tmp_path, Box((0, 0, 0), (40, 25, 30)), array="em", level=1) == half(VOLUME)).all()
        said = await refusal(tmp_path, SourceError, array="em", level=2)
        assert "N5 group" in said
        assert "s0, s1" in said


class TestPartsThatAreAsCheapToReadAlone:
    @pytest.mark.parametrize(
        ("lows", "apart"),
        [
            ([(0, 0, 0), (0, 0, 32), (0, 32, 0), (0, 32, 32)], True),
            ([(0, 0, 0), (0, 0, 30)], False),  # a stored chunk is in both
            ([(8, 0, 8), (8, 0, 32)], True),  # what of them is not wanted does not matter
            ([(0, 0, 0), (8, 32, 0)], False),
        ],
    )
    async def test_where_no_stored_chunk_is_in_two(self, tmp_path, lows, apart):
        write_zarr2(tmp_path / "em")
        reader = await opened(tmp_path / "em")
        stops = [tuple(min(at // 32 * 32 + 32, 50) for at in low) for low in lows]
        assert reader.reads_apart(list(map(Box, lows, stops))) is apart

    async def test_counted_in_the_coordinates_of_the_array(self, tmp_path):
        write_zarr2(tmp_path / "em")
        reader = await opened(tmp_path / "em", offset_x=8)
        assert reader.reads_apart([Box((0, 0, 8), (16, 16, 24)), Box((0, 0, 24), (16, 16, 40))])
        assert not reader.reads_apart([Box((0, 0, 0), (16, 16, 16)), Box((0, 0, 16), (16, 16, 32))])

    async def test_but_not_of_shards_which_are_read_in_one_go(self, tmp_path):
        zarr.create_array(tmp_path / "em", data=VOLUME, chunks=(16, 16, 16), shards=(32, 32, 32))
        reader = await opened(tmp_path / "em")
        assert not reader.reads_apart([Box((0, 0, 0), (32, 32, 32)), Box((0, 0, 32), (32, 32, 60))])


class TestPrecomputed:
    OFFSET: ClassVar = {"voxel_offset": [100, 200, 300]}

    async def test_its_voxel_offset_is_where_it_begins(self, tmp_path):
        write_precomputed(tmp_path / "em", **self.OFFSET)
        at = Box((300, 200, 100), (340, 250, 160))
        assert (await read(tmp_path / "em", at) == VOLUME).all()
        said = await refusal(tmp_path / "em", SourceError)
        assert "40 × 50 × 60 voxels (z × y × x), from (300, 200, 100) on" in said

    async def test_offsets_of_the_job_are_added(self, tmp_path):
        write_precomputed(tmp_path / "em", **self.OFFSET)
        shift = {"offset_x": 100, "offset_y": 200, "offset_z": 300}
        assert (await read(tmp_path / "em", **shift) == VOLUME).all()
        reader = await opened(tmp_path / "em", **shift)
        with pytest.raises(SourceError, match="40 × 50 × 60"):
            await reader.read(Box((0, 0, 0), (41, 50, 60)))

    @pytest.mark.parametrize("level", [1, "8_8_40", [8, 8, 40], [7.0, 9.0, 50.0]])
    async def test_a_scale_by_number_key_or_voxel_size(self, tmp_path, level):
        write_precomputed(tmp_path / "em")
        write_precomputed(tmp_path / "em", half(VOLUME), resolution=(8, 8, 40))
        assert (await read(tmp_path / "em", Box((0, 0, 0), (40, 25, 30)), level=level) == half(VOLUME)).all()

    async def test_one_channel_is_picked(self, tmp_path):
        write_precomputed(tmp_path / "em", np.stack([VOLUME, VOLUME + 1]))
        assert (await read(tmp_path / "em", channel=1) == VOLUME + 1).all()
        assert "2 channels" in await refusal(tmp_path / "em")

    async def test_sharded(self, tmp_path):
        sharding = {
            "@type": "neuroglancer_uint64_sharded_v1",
            "preshift_bits": 1,
            "minishard_bits": 2,
            "shard_bits": 1,
            "hash": "identity",
            "data_encoding": "gzip",
            "minishard_index_encoding": "gzip",
        }
        write_precomputed(tmp_path / "em", sharding=sharding)
        assert (await read(tmp_path / "em") == VOLUME).all()

    async def test_a_chunk_that_is_not_there_is_an_error_unless_the_params_say_fill(self, tmp_path):
        write_precomputed(tmp_path / "em")
        (tmp_path / "em/4_4_40/0-16_0-16_0-16").unlink()
        reader = await opened(tmp_path / "em")
        with pytest.raises(MissingSourceError, match="is not there"):
            await reader.read(Box((0, 0, 0), (16, 16, 16)))
        with pytest.raises(SourceError, match="missing in part") as caught:
            await reader.read(ALL)
        assert not isinstance(caught.value, MissingSourceError)
        filled = await read(tmp_path / "em", missing_chunks="fill")
        assert not filled[:16, :16, :16].any()
        assert (filled[16:] == VOLUME[16:]).all()

    @pytest.mark.parametrize("info", ['{"type": "image"}', '{"scales": [{"key": "a"}]}', '{"scales": 3}'])
    async def test_an_info_of_something_else_is_a_source_error(self, tmp_path, info):
        (tmp_path / "info").write_text(info)
        assert "does not describe precomputed" in await refusal(tmp_path, SourceError)

    async def test_files_that_only_cloud_volume_finds_are_no_black_voxels(self, tmp_path):
        write_precomputed(tmp_path / "em")
        for file in (tmp_path / "em/4_4_40").iterdir():
            file.rename(f"{file}.gz")
        said = await refusal(tmp_path / "em", missing_chunks="fill")
        assert "compressed files (.gz)" in said
        assert "cloudvolume.CloudVolumeChunkProcessor" in said


class TestWhatIsWrong:
    async def test_nothing_there(self, tmp_path):
        write_zarr2(tmp_path / "em")
        assert "has em: correct the name" in await refusal(tmp_path / "me", SourceError)
        assert "with the arrays em: name one" in await refusal(tmp_path, SourceError)

    @pytest.mark.parametrize("name", ["zarr.json", ".zarray", "attributes.json", "info"])
    @pytest.mark.parametrize("text", ["<html>", "[]"])
    async def test_metadata_that_is_none(self, tmp_path, name, text):
        (tmp_path / name).write_text(text)
        assert f"{tmp_path}/{name} cannot be read: it is no" in await refusal(tmp_path, SourceError)

    async def test_a_format_that_is_not_there(self, tmp_path):
        write_zarr2(tmp_path / "em")
        assert "there is no N5 array at" in await refusal(tmp_path / "em", SourceError, format="n5")

    async def test_codecs_that_tensorstore_does_not_know(self, tmp_path):
        filters = [numcodecs.Delta("<u2")]
        zarr.create_array(tmp_path / "em", data=VOLUME, chunks=(16, 16, 16), zarr_format=2, filters=filters)
        assert "filters" in await refusal(tmp_path / "em", SourceError)

    @pytest.mark.parametrize("chunk", ["0.0.0", "2.3.3"])
    async def test_a_damaged_chunk_harms_only_its_box(self, tmp_path, chunk):
        write_zarr2(tmp_path / "em")
        (tmp_path / "em" / chunk).write_bytes(b"damaged")
        reader = await opened(tmp_path / "em")
        assert (await reader.read(Box((16, 16, 16), (32, 32, 32))) == VOLUME[16:32, 16:32, 16:32]).all()
        with pytest.raises(SourceError, match=r"em\[z 0:40, y 0:50, x 0:60\] cannot be read"):
            await reader.read(ALL)

    async def test_a_chunk_that_decodes_to_more_than_it_says_is_stopped_there(self, tmp_path):
        write_zarr2(tmp_path / "em", compressor={"id": "zlib", "level": 1})
        (tmp_path / "em/0.0.0").write_bytes(zlib.compress(bytes(64 << 20)))
        said = await refusal(tmp_path / "em", SourceError)
        assert "at uncompressed byte 8192" in said

    async def test_stored_chunks_too_large_to_decode_for_a_task(self, tmp_path):
        metadata = {"shape": [1 << 20] * 3, "chunks": [1024, 1024, LEAST_BLOCK_BYTES >> 20], "dtype": "<u2"}
        metadata |= {"zarr_format": 2, "compressor": None, "fill_value": 0, "order": "C", "filters": None}
        (tmp_path / ".zarray").write_text(json.dumps(metadata))
        assert "1024 MiB each: too many" in await refusal(tmp_path)

    @pytest.mark.parametrize(
        "params",
        [
            {"levl": 1},
            {"level": True},
            {"level": [1, 2]},
            {"format": "hdf5"},
            {"channel": "0"},
            {"offset_x": 0.5},
        ],
    )
    async def test_wrong_params_are_named(self, tmp_path, params):
        assert f"params.{next(iter(params))}" in await refusal(tmp_path, **params)


def bytes_read():
    import tensorstore

    (found,) = tensorstore.experimental_collect_matching_metrics("/tensorstore/kvstore/file/bytes_read")
    return sum(each["value"] for each in found["values"])


async def test_tasks_that_share_stored_chunks_decode_them_once(tmp_path):
    write_zarr2(tmp_path / "em", compressor=None, chunks=[40, 50, 60])
    reader = ArrayReader()
    await reader.open(Setup({}, {"url": str(tmp_path / "em")}, JOB, tmp_path, cache_bytes=1 << 20))
    before = bytes_read()
    slices = [Box((z, 0, 0), (z + 1, 50, 60)) for z in range(40)]
    planes = await asyncio.gather(*(reader.read(box) for box in slices))
    assert (np.concatenate(planes) == VOLUME).all()
    assert bytes_read() - before == VOLUME.nbytes
    await reader.close()


async def test_stored_chunks_that_no_other_task_needs_are_not_kept(tmp_path):
    write_zarr2(tmp_path / "em", compressor=None, chunks=[20, 25, 30])
    reader = await opened(tmp_path / "em")
    before = bytes_read()
    for _ in range(2):
        assert (await reader.read(Box((20, 0, 30), (40, 50, 60))) == VOLUME[20:40, :, 30:60]).all()
    assert bytes_read() - before == 2 * VOLUME[20:40, :, 30:60].nbytes
    await reader.close()


WRITERS = [write_zarr2, write_zarr3, write_n5, write_precomputed]


@pytest.mark.parametrize("missing_chunks", ["fill", "error"])
@pytest.mark.parametrize("write", WRITERS)
async def test_a_volume_that_vanishes_while_it_is_read_is_no_zeros_and_comes_back(
    tmp_path, write, missing_chunks
):
    """As when a disk is unmounted: stored chunks that are not there may be zeros, as the params say."""
    write(tmp_path / "em")
    reader = await opened(tmp_path / "em", missing_chunks=missing_chunks)
    (tmp_path / "em").rename(tmp_path / "away")
    for _ in range(2):
        with pytest.raises(SourceAwayError, match="mounted"):
            await reader.read(ALL)
        with pytest.raises(SourceAwayError, match="mounted"):
            await reader.read(Box((1, 2, 3), (5, 6, 7)))
    (tmp_path / "away").rename(tmp_path / "em")
    assert (await reader.read(Box((1, 2, 3), (5, 6, 7))) == VOLUME[1:5, 2:6, 3:7]).all()
    assert (await reader.read(ALL) == VOLUME).all()
    await reader.close()


async def test_what_was_read_while_another_found_the_volume_gone_is_read_again(tmp_path, monkeypatch):
    """It is back before the slower of two reads ends, which may have taken chunks for not stored."""
    write_zarr2(tmp_path / "em")
    reader = await opened(tmp_path / "em")
    look, slow, go_on = array_volume.check_still_there, asyncio.Event(), asyncio.Event()

    async def look_late(metadata, where):
        if not slow.is_set():
            slow.set()
            await go_on.wait()
        await look(metadata, where)

    monkeypatch.setattr(array_volume, "check_still_there", look_late)
    (tmp_path / "em").rename(tmp_path / "away")
    reading = asyncio.create_task(reader.read(ALL))
    await slow.wait()
    with pytest.raises(SourceAwayError):
        await reader.read(ALL)
    (tmp_path / "away").rename(tmp_path / "em")
    go_on.set()
    with pytest.raises(SourceAwayError, match="for a moment"):
        await reading
    assert (await reader.read(ALL) == VOLUME).all()
    await reader.close()
