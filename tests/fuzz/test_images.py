"""Image files as strangers and broken disks may make them: judged or refused, never a crash, never a hang."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from boss_ingest.encode.tile_image import TileSpec, fit, inspect
from boss_ingest.errors import SourceError
from tests.fuzz.mutation import PNG, corpus, fuzz, spoilt, with_checksums

IMAGES = corpus("images")
SPECS = [TileSpec(16, 16, 16, 16, dtype) for dtype in ("uint8", "uint16", "uint64")]
SPECS.append(TileSpec(32, 32, 5, 7, "uint8"))


def check_told(error: SourceError) -> None:
    assert len(str(error)) < 2000
    assert "the file" in str(error)


def judge(body: bytes, spec: TileSpec) -> None:
    """What the client does with the bytes of a tile; whatever is to be stored can be decoded to its size."""
    try:
        passes = inspect(body, spec, name="the file")
        made = fit(body, spec, name="the file").body
    except SourceError as error:
        check_told(error)
    else:
        with Image.open(io.BytesIO(made)) as image:
            assert np.asarray(image).shape == (spec.rows, spec.columns)
        assert made == body or not passes


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: f"{spec.dtype}-{spec.rows}")
def test_every_file_of_the_corpus_is_judged(name: str, spec: TileSpec) -> None:
    judge(IMAGES[name], spec)


@fuzz
@given(spoilt(IMAGES.values()), st.sampled_from(SPECS))
def test_no_spoilt_image_gets_past_or_crashes_the_checks(body: bytes, spec: TileSpec) -> None:
    judge(body, spec)


@fuzz
@given(st.sampled_from(sorted(IMAGES)), st.binary(max_size=64))
def test_no_bytes_behind_a_signature_crash_the_checks(name: str, tail: bytes) -> None:
    judge(IMAGES[name][:8] + tail, SPECS[0])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows: int, columns: int, pixels: bytes, *extra: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 0, 0, 0, 0))
    return PNG + header + b"".join(extra) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def tiff(*entries: tuple[int, int, int, int], tail: bytes = b"") -> bytes:
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + packed + struct.pack("<I", 0) + tail


ZEROS = bytes(64 << 20)
TAGS = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
BOMBS = {
    "far too large": png(50_000, 50_000, ZEROS),
    "more data than pixels": png(16, 16, ZEROS),
    "text that swells": png(16, 16, bytes(16 * 17), chunk(b"zTXt", b"k\0\0" + zlib.compress(ZEROS))),
    "a profile that swells": png(16, 16, bytes(16 * 17), chunk(b"iCCP", b"k\0\0" + zlib.compress(ZEROS))),
    "twenty thousand empty chunks": png(16, 16, bytes(16 * 17), chunk(b"tEXt", b"") * 20_000),
    "a strip without end": tiff(*TAGS, (273, 4, 1, 8), (278, 4, 1, 0xFFFFFFFF), (279, 4, 1, 0xFFFFFFFF)),
    "four thousand million strips": tiff(*TAGS, (273, 4, 0xFFFFFFFF, 8), (279, 4, 0xFFFFFFFF, 8)),
    "the same long tag again and again": tiff(
        *TAGS, *[(273, 3, 1_000_000, 100)] * 60_000, tail=bytes(2_000_100)
    ),
    "a long tag nobody knows, again and again": tiff(
        *TAGS, *[(40_000, 3, 1_000_000, 100)] * 60_000, tail=bytes(2_000_100)
    ),
    "a page that is its own next": tiff(*TAGS)[:-4] + struct.pack("<I", 8),
    "columns of nothing": with_checksums(IMAGES["grey8.png"].replace(b"\0\0\0\x10", b"\0\0\0\0", 1)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_takes_neither_long_nor_much_memory(name: str) -> None:
    began = time.process_time()
    tracemalloc.start()
    try:
        judge(BOMBS[name], SPECS[0])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 << 20
    assert time.process_time() - began < 10
