"""Prove a PNG whole without decoding it: every chunk's checksum, and the end mark.

The checksums alone: on a 1024 × 1024 PNG of 8-bit noise they take 0.04 ms (0.27 with zlib's own CRC-32),
inflating takes 2.9 ms more (Python 3.11, zlib 1.2.13, one x86 core). They prove that the bytes are the ones
the writer wrote, and writers that stop half way don't write IEND. Pillow does not check IDAT's sums: a
flipped bit that this finds would reach the Boss as wrong pixels.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from zlib_ng.zlib_ng import crc32

from boss_ingest.encode.pixels import cut_short, not_grey

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_COLOURS = {2: "RGB", 4: "grey and alpha", 6: "RGBA"}

_PLAIN = {b"IHDR": 13, b"IEND": 0, b"gAMA": 4, b"pHYs": 9, b"sRGB": 1, b"cHRM": 32, b"tIME": 7}
"""Chunks, with their lengths, that can neither change what a decoder sees nor make it stumble."""

_TEXT_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Proved:
    """An image file shown to be whole, grey, and of one page."""

    rows: int
    columns: int
    bits: int


def prove(body: bytes, *, name: str) -> Proved | None:
    """Check a file that starts with SIGNATURE. None: whole, but what it shows takes decoding to tell.

    Raises SourceError for a damaged or truncated file, and for colour.
    """
    view = memoryview(body)
    at, plain, data, kind = len(SIGNATURE), True, False, b""
    rows = columns = bits = colour = 0
    while kind != b"IEND":
        if at + 12 > len(body):
            raise cut_short(name, "the PNG ends without its end mark")
        (length,) = struct.unpack_from(">I", body, at)
        kind, stop = body[at + 4 : at + 8], at + 8 + length
        what = f"the PNG's {kind.decode('latin-1')!r} data at byte {at}"
        if stop + 4 > len(body):
            raise cut_short(name, f"{what} runs past the end of the file")
        if crc32(view[at + 4 : stop]) != struct.unpack_from(">I", body, stop)[0]:
            raise cut_short(name, f"{what} does not match its checksum")
        if at == len(SIGNATURE):
            if kind != b"IHDR" or length != 13:
                raise cut_short(name, "the PNG doesn't begin with its header")
            columns, rows, bits, colour = struct.unpack_from(">IIBB", body, at + 8)
        data = data or kind == b"IDAT"
        plain = plain and (
            kind == b"IDAT" or _PLAIN.get(kind) == length or (kind == b"tEXt" and length <= _TEXT_MAX_BYTES)
        )
        at = stop + 4
    if not data:
        raise cut_short(name, "the PNG has no image data")
    if colour in _COLOURS:
        raise not_grey(name, _COLOURS[colour])
    if colour != 0 or bits not in (8, 16) or not plain or at != len(body):
        return None
    return Proved(rows, columns, bits)
