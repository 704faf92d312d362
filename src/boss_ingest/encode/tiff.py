"""Prove a plain TIFF whole without decoding it: one grey page, uncompressed, every strip inside the file."""

from __future__ import annotations

import struct

from boss_ingest.encode.pixels import cut_short
from boss_ingest.encode.png import Proved

SIGNATURES = (b"II*\0", b"MM\0*")

_FORMATS = {3: "H", 4: "I"}  # SHORT, LONG
_SIZES_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_OFFSETS, _ORIENTATION, _SAMPLES, _ROWS_PER_STRIP, _COUNTS, _SAMPLE_FORMAT = 273, 274, 277, 278, 279, 339

_PLAIN = {_COMPRESSION: 1, _PHOTOMETRIC: 1, _FILL_ORDER: 1, _ORIENTATION: 1, _SAMPLES: 1, _SAMPLE_FORMAT: 1}
"""What a plain page says or, except for the photometric interpretation, may leave unsaid."""

_UNDERSTOOD = {_WIDTH, _HEIGHT, _BITS, _OFFSETS, _ROWS_PER_STRIP, _COUNTS, *_PLAIN}


def prove(body: bytes, *, name: str) -> Proved | None:
    """Check a file that starts with one of SIGNATURES. None: it takes decoding to tell.

    Raises SourceError when a strip lies outside the file: it is cut short.
    """
    order = "<" if body[:1] == b"I" else ">"
    try:
        tags, pages = _first_page(body, order, name=name)
        plain = (
            pages == 1
            and _PHOTOMETRIC in tags
            and all(tags.get(tag, (value,)) == (value,) for tag, value in _PLAIN.items())
        )
        (columns,), (rows,), (bits,) = tags[_WIDTH], tags[_HEIGHT], tags[_BITS]
        (rows_per_strip,) = tags.get(_ROWS_PER_STRIP, (rows,))
        offsets, counts = tags[_OFFSETS], tags[_COUNTS]
    except (KeyError, ValueError, struct.error):
        return None
    row_bytes = columns * bits // 8
    if not plain or bits not in (8, 16) or not (rows and columns and rows_per_strip):
        return None
    starts = range(0, rows, rows_per_strip)
    if not len(starts) == len(offsets) == len(counts):
        return None
    if counts != tuple(min(rows_per_strip, rows - at) * row_bytes for at in starts):
        return None
    for offset, count in zip(offsets, counts, strict=True):
        if offset + count > len(body):
            raise cut_short(name, f"the TIFF needs {offset + count} bytes, the file has {len(body)}")
    return Proved(rows, columns, bits)


def _first_page(body: bytes, order: str, *, name: str) -> tuple[dict[int, tuple[int, ...]], int]:
    """The whole-number tags of the first page that are understood; and 1, or 2 when more pages follow."""
    (at,) = struct.unpack_from(f"{order}I", body, 4)
    (entries,) = struct.unpack_from(f"{order}H", body, at)
    tags: dict[int, tuple[int, ...]] = {}
    told_bytes = 0
    for entry in range(at + 2, at + 2 + 12 * entries, 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", body, entry)
        told_bytes += count * _SIZES_BYTES.get(kind, 1)
        if told_bytes > 2 * len(body):  # the same bytes again and again would take minutes to read
            raise cut_short(name, f"the tags of the TIFF are longer than its {len(body)} bytes")
        if tag not in _UNDERSTOOD:
            continue
        if kind not in _FORMATS:
            raise ValueError(f"tag {tag} is no whole number")
        form = f"{order}{count}{_FORMATS[kind]}"
        where = entry + 8
        if struct.calcsize(form) > 4:
            (where,) = struct.unpack_from(f"{order}I", body, where)
        tags[tag] = struct.unpack_from(form, body, where)
    (following,) = struct.unpack_from(f"{order}I", body, at + 2 + 12 * entries)
    return tags, 2 if following else 1
