"""Which codec packs a cuboid inside its blosc-1 buffer: by what the channel holds, or as the user says.

Measured on one x86 core (c-blosc 1.21.7, one thread), a cuboid of 16 × 512 × 512, compressing in blocks of
blosc's own choice, unless it says otherwise:

    images   8-bit TEM (vnc-stack2)        lz4 5 byte-shuffle    9100 MB/s  ratio 1.00
                                           zstd 1                 960 MB/s  ratio 1.02
             16-bit TEM (same, 4 bits of   lz4 5 byte-shuffle    1010 MB/s  ratio 1.10
             noise added below)            zstd 1 no shuffle      820 MB/s  ratio 1.19
    labels   uint64, synthetic cells 120   zstd 1 no shuffle     2230 MB/s  ratio 171
             voxels wide                   … in blocks of 512 KiB 6050 MB/s  ratio 287
                                           lz4 5 no shuffle      7120 MB/s  ratio 102
                                           lz4 5 byte-shuffle    3300 MB/s  ratio 26
                                           blosclz 9 byte-shuffle 4200 MB/s  ratio 57

Every codec here is in c-blosc 1.11.2, which the Boss reads with; blosc-2 frames it cannot read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

NAMES = ("blosclz", "lz4", "lz4hc", "zlib", "zstd")
SHUFFLES = ("none", "byte", "bit")


@dataclass(frozen=True, slots=True)
class Codec:
    """A compressor of blosc, its level (0: store as it is, 9: smallest), and the shuffle before it."""

    name: str
    level: int = 5
    shuffle: str = "byte"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read NAME[:LEVEL[:SHUFFLE]], such as `zstd:3:bit`. Raises ValueError that says what may stand."""
        name, _, rest = text.partition(":")
        level, _, shuffle = rest.partition(":")
        if name not in NAMES:
            raise ValueError(f"{name!r} is none of {', '.join(NAMES)}")
        if level not in {"", *"0123456789"}:
            raise ValueError(f"the level {level!r} is not one digit, 0 to 9")
        if shuffle not in {"", *SHUFFLES}:
            raise ValueError(f"the shuffle {shuffle!r} is none of {', '.join(SHUFFLES)}")
        return cls(name, int(level or 5), shuffle or "byte")


FOR_IMAGES = Codec("lz4", 5, "byte")
FOR_LABELS = Codec("zstd", 1, "none")


def codec_for(channel_type: str, *, itemsize_bytes: int) -> Codec:
    """The codec that fits a channel: `channel_type` is "image" or "annotation"; 8-byte voxels are labels."""
    return FOR_LABELS if channel_type == "annotation" or itemsize_bytes == 8 else FOR_IMAGES
