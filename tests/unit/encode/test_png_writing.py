"""PNG files as we write them: Pillow, which the Boss reads with, sees the same pixels; they pass as whole."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from boss_ingest.encode import png, png_writing

SHAPES = st.tuples(st.integers(1, 70), st.integers(1, 70))
IMAGES = st.sampled_from(["uint8", "uint16", ">u2"]).flatmap(
    lambda dtype: arrays.arrays(
        dtype, SHAPES, elements=st.integers(0, 2 ** (8 * np.dtype(dtype).itemsize) - 1)
    )
)


def seen(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)))


@given(IMAGES)
def test_pillow_reads_every_pixel_back(pixels):
    file = png_writing.write(pixels)
    assert (seen(file) == pixels).all()
    proved = png.prove(file, name="a.png")
    assert (proved.rows, proved.columns, proved.bits) == (*pixels.shape, 8 * pixels.itemsize)


@pytest.mark.parametrize("shape", [(2000, 1500), (3, 300_000), (1, 1), (1024, 256)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_an_image_longer_than_what_is_filtered_at_a_time(shape, dtype):
    pixels = np.random.default_rng(1).integers(0, 200, shape, dtype)
    assert (seen(png_writing.write(pixels)) == pixels).all()


def test_a_part_of_an_image_turned_round_is_written_as_it_is_seen():
    pixels = np.arange(64 * 48, dtype=np.uint16).reshape(64, 48)[::2, ::-1].T
    assert (seen(png_writing.write(pixels)) == pixels).all()


Y, X = np.mgrid[:512, :512]
NOISE = np.random.default_rng(3).normal(0, 6, X.shape)
LABELS = ((X // 60) * 16 + Y // 50).astype(np.uint8)
SMOOTH = (128 + 60 * np.sin(X / 40) * np.cos(Y / 30) + NOISE).astype(np.uint8)


@pytest.mark.parametrize(("pixels", "most"), [(LABELS, 1.02), (SMOOTH, 0.99)], ids=["labels", "smooth"])
def test_it_takes_as_little_room_as_pillow_with_the_best_filter_for_each_row(pixels, most):
    by_pillow = io.BytesIO()
    Image.fromarray(pixels).save(by_pillow, "PNG", compress_level=1, compress_type=3)
    assert len(png_writing.write(pixels)) < most * len(by_pillow.getvalue())
