"""Chunks cut into cuboids, and the buffers the Boss reads."""

import hashlib
import struct
import threading

import blosc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boss_ingest.aws.bucket import buffers
from boss_ingest.encode.codec import FOR_IMAGES, FOR_LABELS, Codec, codec_for
from boss_ingest.encode.cuboid import ChunkSpec, check_chunk, compress, cut, decompress, pack
from boss_ingest.errors import SourceError

Z, Y, X = np.ogrid[:20, :700, :1024]
VOLUMES = {
    "uint8": ((X + 3 * Y + 7 * Z) % 251).astype("uint8"),
    "uint16": ((X + 1000 * Y + 100000 * Z) % 65521).astype("uint16"),
    "uint64": ((X + 1000 * Y + 100000 * Z) % 2**40).astype("uint64"),
}
VECTORS = [
    ("uint8", (0, 0, 0), "f07e4037ba4243b8ce1a9cb756f1e76fee03d2addd7563c7b2f298b77be45223"),
    ("uint8", (16, 512, 512), "624c0f9f0bfb8d807530e3e390efcf17aa0e51ac0a9c2e8fe4b075a3566df9f3"),
    ("uint8", (32, 0, 0), "bb9f8df61474d25e71fa00722318cd387396ca1736605e1248821cc0de3d3af8"),
    ("uint16", (0, 0, 0), "5b7ecae0afc9649a81bb09763ef5c0b80738ab2cc2f3e79c3257e3d44bfe2845"),
    ("uint16", (16, 512, 512), "e0844c5b614ca80e948c64c658d1a8e11d471b21dddb3973bf34eec90afefeff"),
    ("uint16", (0, 1024, 0), "2daeb1f36095b44b318410b3f4e8b5d989dcc7bb023d1426c492dab0a3053e74"),
    ("uint64", (0, 0, 0), "0732f64bd252b6def0500a9f48816f2b6cfa1e507bae5c0e66fd52388fb408e1"),
    ("uint64", (16, 512, 512), "73a432d974ae32599570a4ba6978f4fa313a097b93f838eb30ecbd97dad2367a"),
    ("uint64", (0, 0, 1024), "83ee47245398adee79bd9c0a8bc57b821e92aba10f5f9ade8a5d1fae4d8c4302"),
]


def packed(*chunk_offset_codec):
    return b"".join(buffers(pack(*chunk_offset_codec)))


@pytest.mark.parametrize(
    "codec", [FOR_IMAGES, FOR_LABELS, Codec("blosclz", 9), Codec("zlib", 0, "bit")], ids=str
)
@pytest.mark.parametrize(("dtype", "offset_zyx", "sha256"), VECTORS)
def test_a_cuboid_unpacks_to_the_reference_bytes(dtype, offset_zyx, sha256, codec):
    buffer = compress(cut(VOLUMES[dtype], offset_zyx), codec)
    assert hashlib.sha256(blosc.decompress(buffer)).hexdigest() == sha256


def test_a_cuboid_of_a_transposed_or_big_endian_chunk_unpacks_to_the_same_bytes():
    expected = blosc.decompress(compress(cut(VOLUMES["uint16"], (0, 0, 0)), FOR_IMAGES))
    fortran = np.asfortranarray(VOLUMES["uint16"])
    foreign = VOLUMES["uint16"].astype(">u2")
    for chunk in (fortran, foreign):
        assert blosc.decompress(compress(cut(chunk, (0, 0, 0)), FOR_IMAGES)) == expected


NOISE = np.random.default_rng(5).integers(0, 256, (32, 1024, 1024, 2), np.uint8)


@pytest.mark.parametrize("dtype", ["uint8", "<u2", ">u2"])
def test_what_does_not_compress_is_stored_as_blosc_stores_it(dtype):
    chunk = NOISE[..., 0] if dtype == "uint8" else NOISE.view(dtype)[..., 0]
    buffer = packed(chunk, (16, 512, 0), FOR_IMAGES)
    voxels = np.ascontiguousarray(chunk[16:, 512:, :512])
    assert len(buffer) == 16 + voxels.nbytes
    plain = blosc.decompress(buffer)
    assert plain == voxels.astype(voxels.dtype.newbyteorder("<")).tobytes()
    as_is = blosc.compress(plain, typesize=voxels.itemsize, clevel=0, cname="lz4")
    assert buffer == as_is
    assert (decompress(buffer, dtype=voxels.dtype.name, shape=voxels.shape) == voxels).all()


def test_what_is_stored_as_it_is_is_not_copied_where_it_lies_in_one_piece():
    column = np.ascontiguousarray(NOISE[:, :512, :512, 0])
    _, voxels = pack(column, (16, 0, 0), FOR_IMAGES)
    assert np.shares_memory(column[16:], np.frombuffer(voxels, np.uint8))


@pytest.mark.parametrize("empty", [np.s_[:, :128], np.s_[:, 400:], np.s_[:4], np.s_[13:], np.s_[..., :100]])
def test_noise_with_an_empty_part_is_compressed(empty):
    chunk = NOISE[:16, :512, :512, 0].copy()
    chunk[empty] = 0
    buffer = packed(chunk, (0, 0, 0), FOR_IMAGES)
    assert len(buffer) < 0.95 * chunk.nbytes
    assert blosc.decompress(buffer) == chunk.tobytes()


def test_a_cuboid_at_the_edge_of_a_chunk_of_noise_is_filled_with_zeros_and_compressed():
    buffer = packed(NOISE[:10, :600, :512, 0], (0, 512, 0), FOR_IMAGES)
    plain = decompress(buffer, dtype="uint8", shape=(16, 512, 512))
    assert (plain[:10, :88] == NOISE[:10, 512:600, :512, 0]).all()
    assert not plain[10:].any()
    assert not plain[:, 88:].any()
    assert len(buffer) < 0.3 * plain.nbytes


@pytest.mark.parametrize(
    ("dtype", "channel_type", "codec"),
    [("uint8", "image", 1), ("uint16", "image", 1), ("uint8", "annotation", 4), ("uint64", "image", 4)],
)
def test_the_buffer_is_blosc_1_with_the_codec_of_its_content(dtype, channel_type, codec):
    itemsize_bytes = np.dtype(dtype).itemsize
    buffer = compress(cut(VOLUMES[dtype], (0, 0, 0)), codec_for(channel_type, itemsize_bytes=itemsize_bytes))
    assert buffer[0] == 2  # the format of c-blosc 1
    assert buffer[2] >> 5 == codec  # 1: lz4, 4: zstd
    assert buffer[3] == np.dtype(dtype).itemsize


def test_labels_are_compressed_in_blocks_in_which_they_find_themselves_again():
    cells = np.random.default_rng(2).integers(0, 2**40, (4, 64, 64), np.uint64)
    labels = np.kron(cells, np.ones((4, 8, 8), np.uint64))
    buffer = packed(labels, (0, 0, 0), FOR_LABELS)
    assert struct.unpack_from("<I", buffer, 8)[0] == 512 << 10
    assert (decompress(buffer, dtype="uint64", shape=labels.shape) == labels).all()


@given(
    shape=st.tuples(st.integers(1, 20), st.integers(1, 600), st.integers(1, 600)),
    offset=st.tuples(st.sampled_from([0, 16]), st.sampled_from([0, 512]), st.sampled_from([0, 512])),
)
def test_cut_keeps_every_voxel_and_adds_only_zeros(shape, offset):
    chunk = np.broadcast_to(np.uint8(7), shape)
    cuboid = cut(chunk, offset)
    left = [size - at for size, at in zip(shape, offset, strict=True)]
    inside = [max(0, min(full, size)) for full, size in zip((16, 512, 512), left, strict=True)]
    assert cuboid.shape == (16, 512, 512)
    assert cuboid.flags.c_contiguous
    assert (cuboid[: inside[0], : inside[1], : inside[2]] == 7).all()
    assert np.count_nonzero(cuboid) == np.prod(inside)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:10], lambda b: b"", lambda b: b + b"x"])
def test_a_buffer_of_another_length_is_refused(damage):
    buffer = compress(cut(VOLUMES["uint8"], (0, 0, 0)), FOR_IMAGES)
    with pytest.raises(ValueError, match="blosc buffer"):
        decompress(damage(buffer), dtype="uint8", shape=(16, 512, 512))


def test_a_buffer_of_another_type_or_with_garbage_inside_is_refused():
    buffer = compress(cut(VOLUMES["uint64"], (0, 0, 0)), FOR_LABELS)
    with pytest.raises(ValueError, match="unpacked"):
        decompress(buffer, dtype="uint16", shape=(16, 512, 512))
    garbage = buffer[:16] + b"\xff" * (len(buffer) - 16)
    with pytest.raises(ValueError, match="damaged"):
        decompress(garbage, dtype="uint64", shape=(16, 512, 512))
    lying = buffer[:4] + struct.pack("<I", 8) + buffer[8:]
    with pytest.raises(ValueError, match="8 unpacked"):
        decompress(lying, dtype="uint64", shape=(16, 512, 512))


def test_compression_from_many_threads_gives_each_its_own_cuboid():
    cuboids = [cut(VOLUMES["uint16"], (0, 0, 0)) + np.uint16(n) for n in range(4)]
    results = {}

    def work(n):
        for _ in range(3):
            results[n] = compress(cuboids[n], FOR_IMAGES)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, cuboid in enumerate(cuboids):
        assert (decompress(results[n], dtype="uint16", shape=cuboid.shape) == cuboid).all()


SPEC = ChunkSpec((32, 512, 1024), (20, 512, 700), "uint16")


def test_a_chunk_may_reach_from_the_extent_to_the_nominal_size():
    for shape in (SPEC.needed_zyx, SPEC.shape_zyx, (24, 512, 1000)):
        assert check_chunk(np.zeros(shape, "u2"), SPEC, name="c").array_zyx.shape == shape


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((19, 512, 700), "20 × 512 × 700"),
        ((20, 512, 1025), "chunk_size"),
        ((20, 512, 0), "0 voxels"),
        ((1, 20, 512, 700), "4 axes"),
    ],
)
def test_a_chunk_of_another_shape_is_refused(shape, says):
    with pytest.raises(SourceError, match=says):
        check_chunk(np.zeros(shape, "u2"), SPEC, name="chunk 3")


def test_with_pad_a_short_chunk_is_taken_but_not_a_long_one():
    spec = ChunkSpec((32, 512, 1024), (20, 512, 700), "uint16", pad=True)
    assert check_chunk(np.zeros((1, 1, 1), "u2"), spec, name="c").array_zyx.shape == (1, 1, 1)
    with pytest.raises(SourceError):
        check_chunk(np.zeros((33, 1, 1), "u2"), spec, name="c")


@pytest.mark.parametrize("source", [bool, "u1", ">u2", "i8", "u8", ">i4"])
def test_a_chunk_of_other_whole_numbers_is_converted_when_every_value_fits(source):
    chunk = np.ones(SPEC.needed_zyx, source)
    checked = check_chunk(chunk, SPEC, name="c").array_zyx
    assert checked.dtype == np.dtype("uint16")
    assert checked.dtype.isnative
    assert (checked == 1).all()


@pytest.mark.parametrize(
    ("dtype", "value", "says"),
    [("i4", -1, "from -1"), ("u4", 65536, "65536"), ("f4", 1, "float32"), ("c8", 1, "complex64")],
)
def test_a_chunk_that_would_lose_values_is_refused(dtype, value, says):
    with pytest.raises(SourceError, match=says):
        check_chunk(np.full(SPEC.needed_zyx, value, dtype), SPEC, name="c")
