"""Real small files, spoilt in all the ways that bytes and JSON can be: strategies for hypothesis.

The tests here take seconds in `make test`, with the same examples each time, and as long as you like with
`make fuzz EXAMPLES=20000`. What a long run finds is kept as an @example, or as a file of corpus/.
"""

from __future__ import annotations

import copy
import os
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

CORPUS = Path(__file__).parent / "corpus"
PNG = b"\x89PNG\r\n\x1a\n"

_EXAMPLES = int(os.environ.get("BOSS_INGEST_FUZZ_EXAMPLES", "0"))

fuzz = settings(
    max_examples=_EXAMPLES or 60,
    derandomize=not _EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

_NUMBERS = [0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
_WIDTHS = {1: "B", 2: "H", 4: "I"}


def corpus(folder: str) -> dict[str, bytes]:
    """The files of one folder of the corpus, by name."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / folder).iterdir())}


@st.composite
def spoilt(draw: st.DrawFn, seeds: Iterable[bytes], *, most_edits: int = 6) -> bytes:
    """One of the seeds after some edits; a PNG may get its checksums mended, so that it is read further."""
    body = bytearray(draw(st.sampled_from(sorted(seeds))))
    for _ in range(draw(st.integers(1, most_edits))):
        _edit(draw, body)
    if body.startswith(PNG) and draw(st.booleans()):
        return with_checksums(bytes(body))
    return bytes(body)


def _edit(draw: st.DrawFn, body: bytearray) -> None:
    at = draw(st.integers(0, len(body)))
    match draw(st.sampled_from(["number", "bytes", "cut", "drop", "repeat", "flip"])):
        case "number":
            width = draw(st.sampled_from(sorted(_WIDTHS)))
            number = draw(st.sampled_from(_NUMBERS)) & ((1 << 8 * width) - 1)
            body[at : at + width] = struct.pack(draw(st.sampled_from("<>")) + _WIDTHS[width], number)
        case "bytes":
            body[at:at] = draw(st.binary(max_size=16))
        case "cut":
            del body[at:]
        case "drop":
            del body[at : at + draw(st.integers(1, 64))]
        case "repeat":
            body[at:at] = body[at : at + 64] * draw(st.integers(1, 64))
        case _ if at < len(body):
            body[at] ^= 1 << draw(st.integers(0, 7))


def with_checksums(body: bytes) -> bytes:
    """The PNG with each chunk's sum as it should be, as far as it can be walked through."""
    mended, at = bytearray(body), len(PNG)
    while at + 12 <= len(mended):
        (length,) = struct.unpack_from(">I", mended, at)
        stop = at + 8 + length
        if stop + 4 > len(mended):
            break
        struct.pack_into(">I", mended, stop, zlib.crc32(mended[at + 4 : stop]))
        at = stop + 4
    return bytes(mended)


_HUGE = st.sampled_from([10**18, 2**63, 10**300, -1, 2**31 - 1, 10**4000])
_TRICKS = st.sampled_from(
    [
        "",
        "\ud800",
        "\x00",
        "\x1b[2J",
        "../../etc/passwd",
        "a" * 5000,
        "/",
        "NaN",
        "\u202egnp",
        "1e400",
        "&" * 40,
    ]
)
odd_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | _HUGE | st.floats() | st.text(max_size=12) | _TRICKS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6) | _TRICKS, inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def rewritten(draw: st.DrawFn, seeds: Iterable[Any]) -> Any:
    """One of the JSON documents with some of its values replaced, dropped, moved or added."""
    document = copy.deepcopy(draw(st.sampled_from(list(seeds))))
    for _ in range(draw(st.integers(1, 4))):
        places = list(_places(document))
        if not places:
            return draw(odd_json)
        holder, key = draw(st.sampled_from(places))
        match draw(st.sampled_from(["replace", "drop", "nest", "add", "swap"])):
            case "replace":
                holder[key] = draw(odd_json)
            case "drop":
                del holder[key]
            case "nest":
                holder[key] = [holder[key]]
            case "add" if isinstance(holder, dict):
                holder[draw(st.text(max_size=10) | _TRICKS)] = draw(odd_json)
            case "swap":
                other, name = draw(st.sampled_from(places))
                holder[key] = copy.deepcopy(other[name])
    return document


def _places(document: Any) -> Iterable[tuple[Any, Any]]:
    keys = (
        document if isinstance(document, dict) else range(len(document)) if isinstance(document, list) else ()
    )
    for key in list(keys):
        yield document, key
        yield from _places(document[key])
