"""How a codec is written on the command line."""

import pytest

from boss_ingest.encode.codec import Codec


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("zstd", Codec("zstd", 5, "byte")),
        ("lz4:9", Codec("lz4", 9, "byte")),
        ("zstd:1:none", Codec("zstd", 1, "none")),
        ("blosclz::bit", Codec("blosclz", 5, "bit")),
        ("zlib:0", Codec("zlib", 0, "byte")),
    ],
)
def test_a_codec_is_read_from_its_name_level_and_shuffle(text, codec):
    assert Codec.parse(text) == codec


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("snappy", "'snappy' is none of"),
        ("zstd:10", "'10'"),
        ("zstd:-1", "'-1'"),
        ("lz4:5:bits", "'bits'"),
        ("", "''"),
    ],
)
def test_what_is_no_codec_is_refused_with_what_may_stand(text, told):
    with pytest.raises(ValueError, match=told):
        Codec.parse(text)
