"""Chunks to cuboids, cuboids to blosc-1 buffers (docs/protocol.md, "Cuboid objects")."""

from __future__ import annotations

import functools
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import blosc
import numpy as np
from blosc.blosc_extension import error as BloscError  # noqa: N812 - the extension names it in lower case

from boss_ingest.boss.keys import CUBOID_ZYX
from boss_ingest.encode.codec import Codec
from boss_ingest.encode.pixels import channel_dtype, to_channel
from boss_ingest.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from boss_ingest.encode.conversion import Conversion

_HEADER_BYTES = 16
_BLOCK_BYTES = 512 << 10
"""What is compressed as one. For labels blosc itself takes 32 KiB: three times the work, and more bytes."""

_SAMPLED_ROWS = 8  # of each slice
_WORTH_IT = 0.98  # what is smaller than this part of its size
_thread = threading.local()
_SHUFFLES = {"none": blosc.NOSHUFFLE, "byte": blosc.SHUFFLE, "bit": blosc.BITSHUFFLE}

blosc.set_releasegil(True)
blosc.set_nthreads(1)
blosc.set_blocksize(_BLOCK_BYTES)


@dataclass(frozen=True, slots=True)
class ChunkSpec:
    """What the job asks of one chunk: its nominal shape, and the part of it inside the job's extent.

    An array may have any shape from `needed_zyx` to `shape_zyx`; with `pad`, a smaller one too. What
    is missing becomes zeros at the high end.
    """

    shape_zyx: tuple[int, int, int]
    needed_zyx: tuple[int, int, int]
    dtype: str
    pad: bool = False
    convert: Conversion | None = None


@dataclass(frozen=True, slots=True)
class CheckedChunk:
    """A chunk in the channel's datatype; `converted` when the user's conversion changed values."""

    array_zyx: NDArray[Any]
    converted: bool


def check_chunk(array: NDArray[Any], spec: ChunkSpec, *, name: str) -> CheckedChunk:
    """The array (zyx) as the channel holds it, no value changed unless `convert` says how.

    Raises SourceError when its shape is not what the job needs, or a value does not fit the channel.
    """
    sizes = " × ".join(map(str, array.shape))
    if array.ndim != 3:
        raise SourceError(
            f"{name} is an array of {array.ndim} axes ({sizes}), a chunk has three: z, y, x",
            hint="return one channel and one time sample from the plugin",
        )
    if any(have > most for have, most in zip(array.shape, spec.shape_zyx, strict=True)):
        raise SourceError(
            f"{name} is {sizes} voxels (z × y × x), more than the job file's chunk_size "
            f"{' × '.join(map(str, spec.shape_zyx))}",
            hint="correct ingest_job.chunk_size, or have the plugin return one chunk",
        )
    short = any(have < need for have, need in zip(array.shape, spec.needed_zyx, strict=True))
    if not array.size or (short and not spec.pad):
        raise SourceError(
            f"{name} is {sizes} voxels (z × y × x), the job's extent needs "
            f"{' × '.join(map(str, spec.needed_zyx))} here",
            hint='set `"pad": true` under client.chunk_processor.params to fill what is missing with zeros,\n'
            "  or correct ingest_job.extent",
        )
    return CheckedChunk(*to_channel(array, spec.dtype, spec.convert, name=name))


def _fresh(dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.empty(CUBOID_ZYX, dtype)


def _scratch(dtype: np.dtype[Any]) -> NDArray[Any]:
    """Room for one cuboid, the same for all that a thread cuts: fresh memory costs more than the copy."""
    found: NDArray[Any] | None = getattr(_thread, "scratch", None)
    if found is None or found.dtype != dtype:
        found = _thread.scratch = _fresh(dtype)
    return found


def pack(
    chunk_zyx: NDArray[Any], offset_zyx: tuple[int, int, int], codec: Codec
) -> bytes | tuple[bytes, memoryview]:
    """The blosc-1 buffer of the cuboid at an offset inside the chunk.

    Where a sample of it does not compress, as 8-bit microscopy does not, it is stored as it is, which is the
    least work for its reader: a header, and the voxels, those of the chunk where it has them in one piece.
    Releases the GIL while it works.
    """
    block = _block(chunk_zyx, offset_zyx)
    if block.shape == CUBOID_ZYX and not _compresses(block, codec):
        return _stored(block)
    return compress(cut(chunk_zyx, offset_zyx, room=_scratch), codec)


def cut(
    chunk_zyx: NDArray[Any],
    offset_zyx: tuple[int, int, int],
    *,
    room: Callable[[np.dtype[Any]], NDArray[Any]] = _fresh,
) -> NDArray[Any]:
    """The cuboid at an offset inside the chunk: shape (16, 512, 512), C-contiguous, never a view to write to.

    Zeros at the high ends where the chunk has no voxels; all zeros beyond it. `room` gives an array for it
    where it has to be copied.
    """
    block = _block(chunk_zyx, offset_zyx)
    if block.flags.c_contiguous and block.shape == CUBOID_ZYX:
        return block
    cuboid = room(chunk_zyx.dtype)
    if block.shape != CUBOID_ZYX:
        cuboid[:] = 0
    cuboid[tuple(slice(size) for size in block.shape)] = block
    return cuboid


def _block(chunk_zyx: NDArray[Any], offset_zyx: tuple[int, int, int]) -> NDArray[Any]:
    spans = zip(offset_zyx, CUBOID_ZYX, strict=True)
    return chunk_zyx[tuple(slice(start, start + size) for start, size in spans)]


def compress(cuboid: NDArray[Any], codec: Codec) -> bytes:
    """One blosc-1 buffer of an array in C order, little endian. Releases the GIL while it works."""
    cuboid = np.ascontiguousarray(cuboid, cuboid.dtype.newbyteorder("<"))
    packed: bytes = blosc.compress_ptr(
        cuboid.ctypes.data,
        cuboid.size,
        cuboid.itemsize,
        clevel=codec.level,
        shuffle=_SHUFFLES[codec.shuffle],
        cname=codec.name,
    )
    return packed


def _compresses(block: NDArray[Any], codec: Codec) -> bool:
    """Whether some rows of each slice do, further down in each: a 64th of a cuboid."""
    slices, rows, _ = CUBOID_ZYX
    step = rows // slices
    sample = np.stack([block[z, z * step : z * step + _SAMPLED_ROWS] for z in range(slices)])
    return len(compress(sample, codec)) < _WORTH_IT * sample.nbytes


def _stored(block: NDArray[Any]) -> tuple[bytes, memoryview]:
    """The buffer of voxels that are not compressed: a header, and themselves."""
    voxels = np.ascontiguousarray(block, block.dtype.newbyteorder("<"))
    return _header_of_stored(voxels.dtype), voxels.reshape(-1).view(np.uint8).data


@functools.cache
def _header_of_stored(dtype: np.dtype[Any]) -> bytes:
    """As blosc itself writes it for a cuboid of this type."""
    return compress(np.zeros(CUBOID_ZYX, dtype), Codec("lz4", 0))[:_HEADER_BYTES]


def decompress(buffer: bytes, *, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """The array in a blosc-1 buffer, C order. Raises ValueError when the buffer doesn't hold just that."""
    datatype = channel_dtype(dtype).newbyteorder("<")
    expected_bytes = int(np.prod(shape, dtype=np.int64)) * datatype.itemsize
    if len(buffer) < _HEADER_BYTES:
        raise ValueError(f"{len(buffer)} bytes are too few for a blosc buffer")
    plain_bytes, _, packed_bytes = struct.unpack_from("<III", buffer, 4)
    if (plain_bytes, packed_bytes) != (expected_bytes, len(buffer)):
        raise ValueError(
            f"the blosc buffer says {packed_bytes} bytes packed, {plain_bytes} unpacked; "
            f"it has {len(buffer)}, and {dtype} {shape} takes {expected_bytes}"
        )
    try:
        plain = blosc.decompress(buffer, as_bytearray=True)
    except BloscError as error:
        raise ValueError(f"the blosc buffer is damaged: {error}") from error
    return np.frombuffer(plain, datatype).reshape(shape)
