"""One tile as the image file the Boss stores: passed through where it is right, else made right without loss.

The Boss decodes a tile with Pillow, `numpy.asarray` and `astype(channel datatype)`, and turns black or
stalls on what it cannot use (docs/protocol.md, "Tile objects"). So everything is judged here first.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from boss_ingest.encode import decode, png, png_writing, tiff
from boss_ingest.encode.pixels import channel_dtype, check_tile_values, to_channel
from boss_ingest.errors import SourceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from boss_ingest.encode.conversion import Conversion


@dataclass(frozen=True, slots=True)
class TileSpec:
    """What the job asks of one tile image.

    `needed_rows` and `needed_columns` are the part of the tile inside the job's extent: an edge tile may
    be that small, and is filled up with zeros at the high end. With `pad`, any tile may be smaller.
    """

    rows: int
    columns: int
    needed_rows: int
    needed_columns: int
    dtype: str
    pad: bool = False
    convert: Conversion | None = None


@dataclass(frozen=True, slots=True)
class TileImage:
    """An encoded image of exactly the tile's rows × columns.

    `passed_through` when it is the source's own bytes, `converted` when the user's conversion changed values.
    """

    body: bytes
    passed_through: bool
    converted: bool = False


def inspect(body: bytes, spec: TileSpec, *, name: str) -> bool:
    """Tell cheaply whether the file can be stored as it is: proved whole, grey, of the right size and depth.

    False: `fit` must look closer. Raises SourceError when the file can never do. About 0.04 ms for
    a 1024 × 1024 8-bit PNG, less for a TIFF; decodes nothing.
    """
    if not body:
        raise SourceError(f"{name} is empty", hint="export the file again")
    if body.startswith(png.SIGNATURE):
        proved = png.prove(body, name=name)
    elif body.startswith(tiff.SIGNATURES):
        proved = tiff.prove(body, name=name)
    else:
        return False
    if proved is None:
        return False
    _check_size(proved.rows, proved.columns, spec, name=name)
    if spec.convert is not None and spec.convert.scale is not None:
        return False
    right_size = (proved.rows, proved.columns) == (spec.rows, spec.columns)
    return right_size and proved.bits <= 8 * channel_dtype(spec.dtype).itemsize


def fit(source: bytes | NDArray[Any], spec: TileSpec, *, name: str) -> TileImage:
    """Make an image file, or an array (yx), what the Boss can store; CPU-bound, for a thread or a process.

    A file that is right already keeps its bytes. Anything else is decoded, converted without changing a
    value, filled up where it may be, and encoded as PNG or TIFF.
    Raises SourceError naming the file, the fact and the way out.
    """
    same = False
    if isinstance(source, np.ndarray):
        pixels = source
    else:
        with decode.opened(source, name=name) as image:
            if image.width * image.height > spec.rows * spec.columns:
                raise _wrong_size(image.height, image.width, spec, name=name)
            pixels, same = decode.grey(image, source, name=name)
    if pixels.ndim != 2:
        raise SourceError(
            f"{name} is an array of shape {pixels.shape}, a tile has two axes: y and x",
            hint="return one grey image of shape (rows, columns) from the plugin",
        )
    _check_size(pixels.shape[0], pixels.shape[1], spec, name=name)
    values, converted = to_channel(pixels, spec.dtype, spec.convert, name=name)
    check_tile_values(values, name=name)
    right_size = values.shape == (spec.rows, spec.columns)
    if same and right_size and not converted and not isinstance(source, np.ndarray):
        return TileImage(bytes(source), passed_through=True)
    if not right_size:
        whole = np.zeros((spec.rows, spec.columns), values.dtype)
        whole[: values.shape[0], : values.shape[1]] = values
        values = whole
    return TileImage(_encode(values), passed_through=False, converted=converted)


def is_quick(source: bytes | NDArray[Any], spec: TileSpec) -> bool:
    """Whether `fit` takes so little (2 to 6 ms for 1024² pixels) that a worker process would cost more."""
    return isinstance(source, np.ndarray) and spec.dtype in {"uint8", "uint16"} and spec.convert is None


def _encode(values: NDArray[Any]) -> bytes:
    """As PNG, but 16-bit images as plain TIFF; labels (uint64) in the narrowest image that carries them all.

    The noise in the low bits of a 16-bit image does not compress: for 1024² pixels, values near 2000 with
    noise of 40, PNG takes 12 ms to save a third of the bytes, plain TIFF takes 0.4.
    """
    labels = values.dtype.itemsize > 2
    if labels:
        high = int(values.max())
        values = values.astype(np.uint8 if high < 1 << 8 else np.uint16 if high < 1 << 16 else np.int32)
    if values.dtype.itemsize == 1 or (values.dtype.itemsize == 2 and labels):
        return png_writing.write(values)
    into = io.BytesIO()
    Image.fromarray(values).save(into, "TIFF", compression="tiff_adobe_deflate" if labels else None)
    return into.getvalue()


def _check_size(rows: int, columns: int, spec: TileSpec, *, name: str) -> None:
    large = rows > spec.rows or columns > spec.columns
    small = rows < spec.needed_rows or columns < spec.needed_columns
    if large or not rows or not columns or (small and not spec.pad):
        raise _wrong_size(rows, columns, spec, name=name)


def _wrong_size(rows: int, columns: int, spec: TileSpec, *, name: str) -> SourceError:
    what = (
        f"{name} is {rows} rows × {columns} columns, "
        f"the job file's tile_size says {spec.rows} × {spec.columns}"
    )
    if (spec.needed_rows, spec.needed_columns) != (spec.rows, spec.columns):
        what += f", of which this edge tile needs {spec.needed_rows} × {spec.needed_columns}"
    if rows > spec.rows or columns > spec.columns:
        return SourceError(
            what,
            hint="correct ingest_job.tile_size, or cut the images into tiles named with <x> and <y>",
        )
    missing = [
        (f"{need - have} {word}", f"ingest_job.tile_size.{axis}")
        for have, need, word, axis in (
            (rows, spec.needed_rows, "rows", "y"),
            (columns, spec.needed_columns, "columns", "x"),
        )
        if have < need
    ]
    return SourceError(
        what,
        hint=f'set `"pad": true` under client.tile_processor.params to fill the missing '
        f"{' and '.join(lines for lines, _ in missing)} with zeros,\n"
        f"  or correct {' and '.join(field for _, field in missing)}",
    )
