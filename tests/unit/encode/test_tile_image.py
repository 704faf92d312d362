"""What becomes of the images people have: stored as they are, made right, or refused with a reason."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from boss_ingest.encode import png
from boss_ingest.encode.tile_image import TileSpec, fit, inspect
from boss_ingest.errors import SourceError
from tests.real_data import VNC_STACK, needs_vnc_stack

ROWS, COLUMNS = 48, 64
RNG = np.random.default_rng(7)
GREY8 = RNG.integers(0, 256, (ROWS, COLUMNS), dtype=np.uint8)
GREY16 = RNG.integers(256, 65536, (ROWS, COLUMNS), dtype=np.uint16)


def spec(dtype="uint8", **changes):
    return TileSpec(
        **{
            "rows": ROWS,
            "columns": COLUMNS,
            "needed_rows": ROWS,
            "needed_columns": COLUMNS,
            "dtype": dtype,
            **changes,
        }
    )


def encoded(array_or_image, kind="PNG", **options):
    image = Image.fromarray(array_or_image) if isinstance(array_or_image, np.ndarray) else array_or_image
    into = io.BytesIO()
    image.save(into, kind, **options)
    return into.getvalue()


def as_the_boss_reads(body, dtype):
    return np.asarray(Image.open(io.BytesIO(body))).astype(dtype)


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PLAIN = encoded(GREY8)

AS_IT_IS = {
    "png 8": (encoded(GREY8), "uint8", GREY8),
    "png 8 in uint16": (encoded(GREY8), "uint16", GREY8),
    "png 8 in uint64": (encoded(GREY8), "uint64", GREY8),
    "png 16": (encoded(GREY16), "uint16", GREY16),
    "png with a text": (PLAIN[:33] + png_chunk(b"tEXt", b"a\0b") + PLAIN[33:], "uint8", GREY8),
    "tiff 8": (encoded(GREY8, "TIFF"), "uint8", GREY8),
    "tiff 16": (encoded(GREY16, "TIFF"), "uint16", GREY16),
    "tiff 16 big endian": (encoded(GREY16.astype(">u2"), "TIFF"), "uint16", GREY16),
}


@pytest.mark.parametrize("case", AS_IT_IS)
def test_a_right_image_is_recognised_without_decoding(case):
    body, dtype, expected = AS_IT_IS[case]
    assert inspect(body, spec(dtype), name="t")
    assert (as_the_boss_reads(body, dtype) == expected).all()


AFTER_DECODING = {
    **AS_IT_IS,
    "jpeg": (encoded(GREY8, "JPEG"), "uint8", np.asarray(Image.open(io.BytesIO(encoded(GREY8, "JPEG"))))),
    "tiff deflate": (encoded(GREY8, "TIFF", compression="tiff_adobe_deflate"), "uint8", GREY8),
    "tiff lzw 16": (encoded(GREY16, "TIFF", compression="tiff_lzw"), "uint16", GREY16),
    "png 16 of small values": (encoded(GREY8.astype("u2")), "uint8", GREY8),
    "png 1": (encoded(GREY8 > 99), "uint8", GREY8 > 99),
    "tiff 32": (encoded(GREY16.astype("i4") * 9, "TIFF"), "uint64", GREY16.astype("u8") * 9),
}


@pytest.mark.parametrize("case", AFTER_DECODING)
def test_a_right_image_keeps_its_bytes(case):
    body, dtype, expected = AFTER_DECODING[case]
    image = fit(body, spec(dtype), name="t")
    assert image.passed_through
    assert image.body == body
    assert (as_the_boss_reads(image.body, dtype) == expected).all()


@pytest.mark.parametrize("kind", ["BMP", "PPM", "TGA"])
def test_other_formats_become_png_without_loss(kind):
    image = fit(encoded(GREY8, kind), spec(), name="t")
    assert not image.passed_through
    assert image.body.startswith(png.SIGNATURE)
    assert (as_the_boss_reads(image.body, "uint8") == GREY8).all()


def test_a_palette_of_greys_becomes_its_greys():
    image = Image.fromarray(GREY8 // 2)
    image.putpalette([value for grey in range(256) for value in [255 - grey] * 3])
    assert not inspect(encoded(image), spec(), name="t")
    fitted = fit(encoded(image), spec(), name="t")
    assert not fitted.passed_through
    assert (as_the_boss_reads(fitted.body, "uint8") == 255 - GREY8 // 2).all()


def many_pages():
    return encoded(Image.fromarray(GREY8), "TIFF", save_all=True, append_images=[Image.fromarray(GREY8)])


def animated():
    return encoded(Image.fromarray(GREY8), save_all=True, append_images=[Image.fromarray(255 - GREY8)])


def colour_mapped():
    image = Image.fromarray(GREY8)
    image.putpalette([value for index in range(256) for value in (index, 0, 255 - index)])
    return encoded(image)


def a_flipped_bit():
    body = bytearray(encoded(GREY8))
    body[len(body) // 2] ^= 1
    return bytes(body)


REFUSED = {
    "empty": (b"", "empty"),
    "text": (b"not an image", "not an image"),
    "rgb": (encoded(Image.new("RGB", (COLUMNS, ROWS))), "RGB"),
    "rgba": (encoded(Image.new("RGBA", (COLUMNS, ROWS))), "RGBA"),
    "grey and alpha": (encoded(Image.new("LA", (COLUMNS, ROWS))), "alpha|LA"),
    "cmyk tiff": (encoded(Image.new("CMYK", (COLUMNS, ROWS)), "TIFF"), "CMYK"),
    "rgb jpeg": (encoded(Image.new("RGB", (COLUMNS, ROWS)), "JPEG"), "RGB"),
    "float": (encoded(GREY8.astype("f4"), "TIFF"), "floating"),
    "pages": (many_pages(), "2 pages"),
    "animation": (animated(), "2 pages"),
    "colours": (colour_mapped(), "colour-mapped"),
    "cut png": (encoded(GREY8)[:-700], "cut short"),
    "png without its end": (encoded(GREY8)[:-12], "end mark"),
    "a flipped bit": (a_flipped_bit(), "checksum"),
    "cut tiff": (encoded(GREY8, "TIFF")[:-700], "cut short|damaged"),
    "cut jpeg": (encoded(GREY8, "JPEG")[:-700], "cut short"),
    "cut deflate tiff": (encoded(GREY8, "TIFF", compression="tiff_adobe_deflate")[:-700], "damaged"),
    "values too high": (encoded(GREY16), "channel holds uint8"),
    "negative": (encoded(GREY16.astype("i4") - 70000, "TIFF"), "from -|above 2147483647"),
    "too wide": (encoded(np.zeros((ROWS, COLUMNS + 1), "u1")), f"{COLUMNS + 1} columns"),
    "too low": (encoded(np.zeros((ROWS - 5, COLUMNS), "u1")), "missing 5 rows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_boss_could_not_store_is_refused_by_name(case):
    body, says = REFUSED[case]
    with pytest.raises(SourceError, match=says) as caught:
        fit(body, spec(), name="slices/0007.png")
    assert "slices/0007.png" in caught.value.what


@pytest.mark.parametrize("case", REFUSED)
def test_inspect_never_waves_a_wrong_image_through(case):
    body, _ = REFUSED[case]
    with contextlib.suppress(SourceError):
        assert not inspect(body, spec(), name="t")


def test_the_size_message_says_how_to_go_on():
    body = encoded(np.zeros((ROWS, COLUMNS - 24), "u1"))
    with pytest.raises(SourceError) as caught:
        inspect(body, spec(), name="tile z=412 y=3 x=0: s0412.png")
    assert str(caught.value) == (
        "tile z=412 y=3 x=0: s0412.png is 48 rows × 40 columns, the job file's tile_size says 48 × 64\n"
        '  set `"pad": true` under client.tile_processor.params to fill the missing 24 columns with zeros,\n'
        "  or correct ingest_job.tile_size.x"
    )


def test_uint32_values_that_pillow_reads_as_negative_are_refused():
    body = encoded(np.full((ROWS, COLUMNS), 2**31, "u4"), "TIFF")  # Pillow marks it as signed
    with pytest.raises(SourceError, match="from -2147483648"):
        fit(body, spec("uint64"), name="t")
    entry = struct.pack("<HHI", 339, 3, 1)  # SampleFormat, one SHORT
    assert body.count(entry + b"\2\0") == 1
    unsigned = body.replace(entry + b"\2\0", entry + b"\1\0")
    with pytest.raises(SourceError, match="volumetric"):
        fit(unsigned, spec("uint64"), name="t")


def test_an_image_far_larger_than_the_tile_is_refused_before_it_is_decoded(monkeypatch):
    body = encoded(np.zeros((ROWS * 40, COLUMNS * 40), "u1"))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(SourceError, match="tile_size says 48 × 64"):
        fit(body, spec(), name="t")


def test_a_plugin_that_tolerates_truncated_images_does_not_make_us(monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(SourceError):
        fit(encoded(GREY8, "JPEG")[:-700], spec(), name="t")


def test_a_rotated_tiff_is_stored_as_it_is_seen():
    body = encoded(GREY8, "TIFF", tiffinfo={274: 3})
    assert not inspect(body, spec(), name="t")
    image = fit(body, spec(), name="t")
    assert not image.passed_through
    assert (as_the_boss_reads(image.body, "uint8") == GREY8[::-1, ::-1]).all()


@pytest.mark.parametrize("dtype", [bool, "u1", "<u2", ">u2", "i2", "i4", ">i8", "u8"])
@pytest.mark.parametrize("channel", ["uint8", "uint16", "uint64"])
def test_an_array_becomes_an_image_of_its_values(dtype, channel):
    array = RNG.integers(0, 2 if dtype is bool else 128, (ROWS, COLUMNS)).astype(dtype)
    image = fit(array, spec(channel), name="t")
    assert not image.passed_through
    assert (as_the_boss_reads(image.body, channel) == array).all()


@pytest.mark.parametrize("high", [255, 256, 65535, 65536, 2**31 - 1])
def test_labels_up_to_31_bits_arrive(high):
    array = RNG.integers(0, high, (ROWS, COLUMNS), dtype=np.uint64, endpoint=True)
    array[0, 0] = high
    assert (as_the_boss_reads(fit(array, spec("uint64"), name="t").body, "uint64") == array).all()


def test_labels_beyond_31_bits_are_sent_to_volumetric():
    with pytest.raises(SourceError, match="volumetric"):
        fit(np.full((ROWS, COLUMNS), 2**31, np.uint64), spec("uint64"), name="t")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((ROWS, COLUMNS), "f4"), "float32"),
        (np.zeros((1, ROWS, COLUMNS), "u1"), "two axes"),
        (np.full((ROWS, COLUMNS), -1, "i2"), "from -1"),
        (np.zeros((0, COLUMNS), "u1"), "0 rows"),
        (np.full((ROWS, COLUMNS), 256, "u2"), "256"),
    ],
)
def test_an_array_that_cannot_be_a_tile_is_refused(array, says):
    with pytest.raises(SourceError, match=says):
        fit(array, spec(), name="t")


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 30),
    columns=st.integers(1, 30),
    needed_rows=st.integers(1, 24),
    needed_columns=st.integers(1, 24),
    pad=st.booleans(),
    as_file=st.booleans(),
    dtype=st.sampled_from(["u1", "u2"]),
    big=st.booleans(),
)
def test_an_edge_tile_keeps_its_place_and_its_values(
    rows, columns, needed_rows, needed_columns, pad, as_file, dtype, big
):
    """The Boss places a tile by the shape of its image, so it must always be the full one."""
    want = TileSpec(24, 24, needed_rows, needed_columns, "uint16", pad=pad)
    array = np.arange(1, rows * columns + 1).reshape(rows, columns).astype(dtype)
    source = encoded(array, "TIFF" if big else "PNG") if as_file else array
    allowed = rows <= 24 and columns <= 24 and (pad or (rows >= needed_rows and columns >= needed_columns))
    if not allowed:
        with pytest.raises(SourceError):
            fit(source, want, name="t")
        return
    stored = as_the_boss_reads(fit(source, want, name="t").body, "uint16")
    assert stored.shape == (24, 24)
    assert (stored[:rows, :columns] == array).all()
    assert stored.sum(dtype=np.int64) == array.sum(dtype=np.int64)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["PNG", "TIFF"]))
def test_damage_is_never_waved_through_as_other_pixels(data, kind):
    """Whatever happens to a file: it is refused, or what is stored decodes to what Pillow sees in it."""
    body = bytearray(encoded(GREY8, kind))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, min(len(body) - 1, 400)))] = data.draw(st.integers(0, 255))
    damaged = bytes(body[: data.draw(st.integers(1, len(body)))])
    with contextlib.suppress(SourceError):
        stored = damaged if inspect(damaged, spec(), name="t") else fit(damaged, spec(), name="t").body
        assert as_the_boss_reads(stored, "uint8").shape == (ROWS, COLUMNS)


@needs_vnc_stack
def test_real_sections_pass_as_they_are():
    for path in sorted(VNC_STACK.glob("*.tif")):
        assert inspect(path.read_bytes(), TileSpec(1024, 1024, 1024, 1024, "uint8"), name=str(path))


def test_a_tiff_whose_fields_have_types_that_make_no_sense_is_not_taken_for_whole():
    """Rows per strip as a float, found by fuzzing: Pillow, and so the Boss, cannot decode it."""
    body = bytearray(encoded(GREY8, "TIFF"))
    (pages,) = struct.unpack_from("<I", body, 4)
    (entries,) = struct.unpack_from("<H", body, pages)
    places = range(pages + 2, pages + 2 + 12 * entries, 12)
    tags = {struct.unpack_from("<H", body, at)[0]: at for at in places}
    struct.pack_into("<H", body, tags[278] + 2, 11)
    assert not inspect(bytes(body), spec(), name="slice.tif")
    with pytest.raises(SourceError, match="slice"):
        fit(bytes(body), spec(), name="slice.tif")
