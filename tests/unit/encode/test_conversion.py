"""Conversions asked for by name: saturate keeps what fits, scale maps a range; nothing wraps, ever."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from boss_ingest.encode.conversion import Conversion
from boss_ingest.encode.pixels import to_channel
from boss_ingest.errors import ConfigError, SourceError

SATURATE = Conversion()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, None),
        ("saturate", SATURATE),
        ({"scale": [0, 4095]}, Conversion((0.0, 4095.0))),
        ({"scale": [-1.5, 2]}, Conversion((-1.5, 2.0))),
    ],
)
def test_what_a_job_file_may_ask_for(asked: object, expected: object) -> None:
    assert Conversion.asked_for(asked) == expected


@pytest.mark.parametrize(
    "asked", ["clip", {"scale": [5, 5]}, {"scale": [0]}, {"scale": "x"}, 7, {"scal": [0, 1]}]
)
def test_what_it_may_not(asked: object) -> None:
    with pytest.raises(ConfigError, match="is not a conversion"):
        Conversion.asked_for(asked)


@given(
    st_numpy.arrays(st.sampled_from(["i4", "u2", ">u2", "i8", "u8", "?"]), st.integers(1, 20)),
    st.sampled_from(["uint8", "uint16", "uint64"]),
)
def test_saturating_whole_numbers_is_the_nearest_value_the_channel_holds(
    array: np.ndarray, datatype: str
) -> None:
    result, _ = to_channel(array, datatype, SATURATE, name="a")
    highest = np.iinfo(datatype).max
    assert result.dtype == datatype
    assert result.tolist() == [min(max(int(value), 0), highest) for value in array.tolist()]


def test_saturating_fractions_rounds_and_clips() -> None:
    result, converted = to_channel(np.array([-3.0, 0.4, 0.6, 254.7, 1e9]), "uint8", SATURATE, name="a")
    assert result.tolist() == [0, 0, 1, 255, 255]
    assert converted


def test_the_top_of_uint64_does_not_wrap() -> None:
    result, _ = to_channel(np.array([2.0**64, 2.0**63]), "uint64", SATURATE, name="a")
    assert result.tolist() == [2**64 - 1, 2**63]


def test_saturating_what_fits_changes_nothing_and_is_not_counted() -> None:
    array = np.array([0, 255], "u2")
    result, converted = to_channel(array, "uint8", SATURATE, name="a")
    assert (result.tolist(), converted) == ([0, 255], False)


def test_scaling_maps_the_range_onto_the_channel_and_saturates_beyond() -> None:
    array = np.array([-5, 0, 2048, 4096, 9000], "i4")
    result, converted = to_channel(array, "uint8", Conversion((0.0, 4096.0)), name="a")
    assert result.tolist() == [0, 0, 128, 255, 255]
    assert converted


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("conversion", [SATURATE, Conversion((0.0, 1.0))])
def test_what_is_no_number_is_refused(value: float, conversion: Conversion) -> None:
    with pytest.raises(SourceError, match=r"a\.tif has values that are no numbers"):
        to_channel(np.array([value]), "uint8", conversion, name="a.tif")


def test_without_a_conversion_only_lossless_will_do() -> None:
    with pytest.raises(SourceError, match="256"):
        to_channel(np.array([256], "u2"), "uint8", None, name="a")


@pytest.mark.parametrize("convert", [SATURATE, Conversion((0.0, 60000.0))], ids=["saturate", "scale"])
@pytest.mark.parametrize("dtype", ["u2", ">u2", "f4"])
def test_a_conversion_takes_little_memory_beside_its_result(convert: Conversion, dtype: str) -> None:
    """All of it at once took 34 bytes a voxel: many times what a task is let in with."""
    values = np.arange(1 << 22, dtype=np.uint32) % 60000
    array = values.astype(dtype).reshape(16, 512, 512).transpose(0, 2, 1)
    tracemalloc.start()
    try:
        converted = convert.apply(array, np.dtype("uint8"), name="a")
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 3 * converted.nbytes
    assert converted[3, 5, 7] == convert.apply(array[3, 5, 7:8], np.dtype("uint8"), name="a")[0]
