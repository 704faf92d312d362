"""Decode an image file to what the Boss would read from it: one whole number a pixel, or a plain refusal."""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin, UnidentifiedImageError

from boss_ingest.encode import png, tiff
from boss_ingest.encode.pixels import TILE_VALUE_MAX, cut_short, not_grey
from boss_ingest.errors import SourceError, TaskError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_FORMATS = ("PNG", "TIFF", "JPEG", "JPEG2000", "BMP", "GIF", "PPM", "TGA", "WEBP")

_SAME_EVERYWHERE = {"PNG", "TIFF", "JPEG"}
"""Formats that every Pillow the Boss may run decodes alike; others are sent as PNG."""

_DAMAGE = "Tag data larger than file|Tag offset too large|Truncated File Read"
"""What Pillow only warns of, before it goes on with a guess."""

_PHOTOMETRIC, _ORIENTATION, _SAMPLE_FORMAT = 262, 274, 339


@contextmanager
def opened(body: bytes, *, name: str) -> Iterator[Image.Image]:
    """Open an image file of one page; its pixels are not decoded yet.

    Raises SourceError when it is empty, damaged, not an image, or has several pages; and from the body
    of the `with` in place of whatever Pillow raises while it decodes.
    """
    if not body:
        raise SourceError(f"{name} is empty", hint="export the file again")
    if body.startswith(png.SIGNATURE):
        png.prove(body, name=name)
    # What a plugin in this process may have set must not make a truncated image pass. The caller holds
    # the image's size against the tile's: a limit of Pillow's own would only be in the way.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", message=_DAMAGE)
            with Image.open(io.BytesIO(body), formats=_FORMATS) as image:
                _check_pages(image, name=name)
                yield image
    except (TaskError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise SourceError(
            f"{name} is not an image that can be read, or is damaged: it begins with {body[:8]!r}",
            hint=f"readable are {', '.join(_FORMATS)}",
        ) from error
    except Exception as error:
        raise cut_short(name, str(error) or type(error).__name__) from error


def grey(image: Image.Image, body: bytes, *, name: str) -> tuple[NDArray[Any], bool]:
    """The pixels (yx) of an opened `body`, and whether the Boss decodes that to just these.

    A palette of greys is resolved to them; the Boss would store its indices. Raises SourceError for
    colour, for floats, and for 32-bit values that Pillow, and so the Boss, reads as negative.
    """
    same = image.format in _SAME_EVERYWHERE
    unsigned = False
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        tags = image.tag_v2
        unsigned = tags.get(_SAMPLE_FORMAT, (1,)) in (1, (1,))
        upright = tags.get(_PHOTOMETRIC) == 1 and tags.get(_ORIENTATION, 1) == 1
        same = upright and body.startswith(tiff.SIGNATURES)
    image.load()
    if image.mode == "P":
        return _from_palette(image, name=name), False
    if image.mode == "F":
        raise SourceError(
            f"{name} holds floating point values, the Boss stores whole numbers",
            hint="convert the source to whole numbers yourself, so that the scaling is your choice",
        )
    if image.mode not in ("1", "L", "I") and not image.mode.startswith("I;16"):
        raise not_grey(name, image.mode)
    pixels = np.asarray(image)
    if image.mode == "I" and unsigned and pixels.size and int(pixels.min()) < 0:
        raise SourceError(
            f"{name} has values above {TILE_VALUE_MAX}, the most that a tile can carry",
            hint='ingest this data with "ingest_type": "volumetric"',
        )
    return pixels, same


def _check_pages(image: Image.Image, *, name: str) -> None:
    pages = getattr(image, "n_frames", 1)
    if pages > 1:
        raise SourceError(
            f"{name} has {pages} pages, a tile is one image",
            hint="save each page as a file of its own, named by its z index",
        )


def _from_palette(image: Image.Image, *, name: str) -> NDArray[Any]:
    palette = np.array(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    indices = np.asarray(image)
    used = palette[: int(indices.max()) + 1]
    if "transparency" in image.info or len(used) <= int(indices.max()) or (used != used[:, :1]).any():
        raise SourceError(
            f"{name} is a colour-mapped image, and its colours are not all grey",
            hint="save the numbers you want stored as a grey image: for labels the indices, "
            "for pictures one image a colour",
        )
    greys: NDArray[Any] = used[:, 0][indices]
    return greys
