"""The processors that make up images, kept for trying things out and for load tests."""

import numpy as np
from PIL import Image

from boss_ingest.plugins import path, tile

PARAMETERS = {"ingest_job": {"tile_size": {"x": 64, "y": 32, "z": 1, "t": 1}}}


def ready(kind):
    processor = kind()
    processor.setup(PARAMETERS)
    return processor


def test_the_sample_image_has_the_size_of_a_tile():
    names = ready(path.TestPathProcessor)
    named = names.process(0, 0, 0, 0)
    with ready(tile.TestTileProcessor).process(named, 0, 0, 0, 0) as handle, Image.open(handle) as image:
        assert (image.size, image.mode) == ((64, 32), "L")


def test_pass_through_names_no_file():
    assert ready(path.TestPassThroughPathProcessor).process(1, 2, 3, 4) == ""


def test_random_tiles_are_noise_the_same_for_the_same_indices():
    noise = ready(tile.TestRandomTileProcessor)
    first, again, other = (np.asarray(Image.open(noise.process("", 1, 2, z, 0))) for z in (3, 3, 4))
    assert first.shape == (32, 64)
    assert first.min() >= 1
    assert first.max() <= 253
    assert (first == again).all()
    assert (first != other).any()
