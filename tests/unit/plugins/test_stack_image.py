"""Image files as arrays: what they hold, and refusals for what is damaged, in colour or more than one."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from boss_ingest.errors import SourceError
from boss_ingest.plugins.stack_image import decode, header, take_damage_seriously

PIXELS = (np.arange(40 * 30).reshape(40, 30) * 37 % 251).astype(np.uint8)
RANDOM = np.random.default_rng(1).integers(0, 256, (200, 150), np.uint8)


@pytest.fixture(autouse=True)
def _serious():
    take_damage_seriously()


def encoded(image, form="PNG", **how):
    into = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(into, form, **how)
    return into.getvalue()


def tiff(array, **how):
    into = io.BytesIO()
    tifffile.imwrite(into, array, **how)
    return into.getvalue()


def read(body):
    array = decode(body, name="s1", most_bytes=1 << 20)
    told = header(body, name="s1")
    assert (told.rows, told.columns, told.dtype) == (*array.shape, array.dtype.name)
    assert told.image_bytes == array.nbytes
    return array


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "GIF", "PPM"])
def test_a_grey_image_in_any_format(form):
    assert (read(encoded(PIXELS, form)) == PIXELS).all()


def test_a_palette_of_greys_is_the_greys_and_black_and_white_0_and_1():
    image = Image.fromarray(PIXELS // 128)
    image.putpalette([9, 9, 9, 200, 200, 200])
    assert (read(encoded(image)) == np.where(PIXELS // 128, 200, 9)).all()
    assert (read(encoded(PIXELS > 99)) == (PIXELS > 99)).all()


def test_values_with_a_sign_keep_it():
    for dtype in ("int8", "int16", "int32"):
        values = (PIXELS.astype(np.int32) - 100).astype(dtype)
        assert (read(tiff(values)) == values).all()


COLOUR = Image.new("RGB", (4, 4))
PALETTE = Image.fromarray(PIXELS // 128)
PALETTE.putpalette([0, 0, 0, 255, 0, 0])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "s1 is empty"),
        (b"what is this", r"not an image that can be read.*b'what is '"),
        (encoded(COLOUR), "is a RGB image"),
        (encoded(PALETTE), "colour-mapped"),
        (tiff(np.stack([PIXELS, PIXELS])), "has 2 pages"),
        (tiff(np.stack([PIXELS, PIXELS]).astype("u8")), "no TIFF of one grey image: 2 pages"),
    ],
)
def test_what_is_no_slice_is_refused(body, says):
    with pytest.raises(SourceError, match=says):
        decode(body, name="s1", most_bytes=1 << 20)


WHOLE = {
    "png": encoded(RANDOM),
    "jpeg": encoded(RANDOM, "JPEG"),
    "tiff": encoded(RANDOM, "TIFF"),
    "tiff lzw": encoded(RANDOM, "TIFF", compression="tiff_lzw"),
    "tiff deflate": tiff(RANDOM, compression="zlib"),
    "tiff 64 bit": tiff(RANDOM.astype("u8")),
    "tiff 64 bit deflate": tiff(RANDOM.astype("u8"), compression="zlib"),
}


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.99])
@pytest.mark.parametrize("form", WHOLE)
def test_a_file_that_was_cut_short_is_refused_and_never_black(form, kept):
    body = WHOLE[form]
    with pytest.raises(SourceError, match=r"s1 .*(damaged|cut short|read)"):
        decode(body[: int(len(body) * kept)], name="s1", most_bytes=1 << 20)


def test_a_png_with_a_flipped_bit_is_refused():
    body = bytearray(WHOLE["png"])
    body[len(body) // 2] ^= 1
    with pytest.raises(SourceError, match="damaged"):
        decode(bytes(body), name="s1", most_bytes=1 << 20)


def test_an_image_of_more_bytes_than_allowed_is_refused_before_it_is_decoded():
    for body in (WHOLE["png"], WHOLE["tiff 64 bit"]):
        with pytest.raises(SourceError, match="200 rows × 150 columns"):
            decode(body, name="s1", most_bytes=29_999)
