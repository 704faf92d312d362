"""One image file of a stack as an array: whole numbers or floats, one a pixel; or a plain refusal.

Decoded with Pillow, which lets go of the GIL: two threads decode PNG 1.4 times, JPEG and TIFF up to twice as
fast as one (4096 × 4096, two cores). TIFF of 64-bit numbers, which Pillow doesn't know, through tifffile.
"""

from __future__ import annotations

import io
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from boss_ingest.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from PIL import Image

_FORMATS = ("PNG", "TIFF", "JPEG", "JPEG2000", "BMP", "GIF", "PPM", "TGA", "WEBP")
TIFF_BEGINS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_BEGINS = b"\x89PNG\r\n\x1a\n"
_DTYPES = {"1": "uint8", "L": "uint8", "P": "uint8", "I": "int32", "F": "float32"}
_BITS_PER_SAMPLE, _SAMPLE_FORMAT, _SIGNED = 258, 339, 2
_MEMORY_HINT = 'if that is right, set "max_image_bytes" in the params of the processor'


@dataclass(frozen=True, slots=True)
class Header:
    """What an image says of itself: rows, columns, numpy's name of its type, bytes when it is decoded."""

    rows: int
    columns: int
    dtype: str

    @property
    def image_bytes(self) -> int:
        """What it takes when it is decoded."""
        import numpy as np

        return self.rows * self.columns * np.dtype(self.dtype).itemsize


def header(body: bytes, *, name: str) -> Header:
    """Decodes nothing. Raises SourceError: it is no image, in colour, or has several pages."""
    if (page := _only_tifffile_knows(body, name)) is not None:
        return _header_of(page)
    with _opened(body, name) as image:
        return _header(image, name)


def decode(body: bytes, *, name: str, most_bytes: int) -> NDArray[Any]:
    """The pixels (yx), native byte order; black and white as 0 and 1, a palette of greys as the greys.

    Raises SourceError, also for an image that would take more than `most_bytes`: its header tells.
    """
    if (page := _only_tifffile_knows(body, name)) is not None:
        _check_bytes(_header_of(page), name, most_bytes)
        return _through_tifffile(page, name)
    if body.startswith(_PNG_BEGINS):
        with _opened(body, name) as image:
            image.verify()  # the checksums, which decoding doesn't look at
    with _opened(body, name) as image:
        _check_bytes(_header(image, name), name, most_bytes)
        return _pixels(image, name)


def take_damage_seriously() -> None:
    """Make Pillow raise what it otherwise warns of before it goes on with a guess; for this whole process.

    Not where it is needed, as that would be no business of one thread.
    """
    from PIL import Image, ImageFile

    damage = "Tag data larger than file|Tag offset too large|Truncated File Read"
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    warnings.filterwarnings("error", message=damage, category=UserWarning)
    Image.MAX_IMAGE_PIXELS = None  # the limit is in bytes, and the job's
    ImageFile.LOAD_TRUNCATED_IMAGES = False


@contextmanager
def _opened(body: bytes, name: str) -> Iterator[Image.Image]:
    from PIL import Image, UnidentifiedImageError

    if not body:
        raise SourceError(f"{name} is empty", hint="export the file again")
    try:
        with Image.open(io.BytesIO(body), formats=_FORMATS) as image:
            _check_pages(getattr(image, "n_frames", 1), name)
            yield image
    except (SourceError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise SourceError(
            f"{name} is not an image that can be read, or is damaged: it begins with {body[:8]!r}",
            hint=f"readable are {', '.join(_FORMATS)}",
        ) from error
    except Exception as error:
        raise _damaged(name, error) from error


def _check_pages(pages: int, name: str) -> None:
    if pages > 1:
        raise SourceError(
            f"{name} has {pages} pages, a slice is one image",
            hint="save each page as a file of its own, or read it as a TIFF volume",
        )


def _header(image: Image.Image, name: str) -> Header:
    dtype = "uint16" if image.mode.startswith("I;16") else _DTYPES.get(image.mode)
    if dtype is None:
        raise SourceError(
            f"{name} is a {image.mode} image, the Boss stores one number a pixel",
            hint="save each colour as a grey image of its own, and ingest it into a channel of its own",
        )
    bits = _tag(image, _BITS_PER_SAMPLE) or 0
    if _tag(image, _SAMPLE_FORMAT) == _SIGNED:
        dtype = {8: "int8", 16: "int16"}.get(bits, dtype)
    elif dtype == "int32" and bits == 32:
        dtype = "uint32"
    return Header(image.height, image.width, dtype)


def _tag(image: Image.Image, tag: int) -> int | None:
    """What a TIFF says of its first sample."""
    from PIL.TiffImagePlugin import TiffImageFile

    found = image.tag_v2.get(tag) if isinstance(image, TiffImageFile) else None
    if isinstance(found, tuple):
        found = found[0] if found else None
    return None if found is None else int(found)


def _check_bytes(found: Header, name: str, most_bytes: int) -> None:
    if found.image_bytes > most_bytes:
        raise SourceError(
            f"{name} is {found.rows} rows × {found.columns} columns, which take {found.image_bytes} bytes, "
            f"more than the {most_bytes} that an image of this job may take",
            hint=_MEMORY_HINT,
        )


def _pixels(image: Image.Image, name: str) -> NDArray[Any]:
    import numpy as np

    dtype = _header(image, name).dtype
    image.load()
    if image.mode == "P":
        return _from_palette(image, name)
    pixels = np.asarray(image)
    if image.mode == "1":
        return np.minimum(pixels.view(np.uint8), 1)  # Pillow's true is 255
    if not pixels.dtype.isnative:
        pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    if pixels.dtype.itemsize == np.dtype(dtype).itemsize:
        return pixels.view(dtype)  # signed and unsigned as the file says
    return pixels.astype(dtype)  # Pillow has 16 bits with a sign as 32


def _from_palette(image: Image.Image, name: str) -> NDArray[Any]:
    import numpy as np

    palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
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


def _only_tifffile_knows(body: bytes, name: str) -> Any:
    """The one page of a TIFF whose numbers Pillow can't hold: 64-bit, or big-endian unsigned 32-bit."""
    from PIL import Image, UnidentifiedImageError

    if not body.startswith(TIFF_BEGINS):
        return None
    try:
        with Image.open(io.BytesIO(body), formats=("TIFF",)):
            return None
    except UnidentifiedImageError:
        pass
    except Exception as error:
        raise _damaged(name, error) from error
    try:
        library = import_module("tifffile")
    except ImportError as error:
        raise SourceError(
            f"{name} is a TIFF file that takes tifffile to read: {error}",
            hint="pip install 'boss-ingest[tiff]'",
        ) from error
    try:
        pages = library.TiffFile(io.BytesIO(body)).pages
        page = pages[0]
        if len(pages) == 1 and page.ndim == 2 and page.photometric == 1:
            return page
    except Exception as error:
        raise _damaged(name, error) from error
    raise SourceError(
        f"{name} is no TIFF of one grey image: {len(pages)} pages of shape {page.shape}",
        hint="save each slice as one grey image, or read it as a TIFF volume",
    )


def _header_of(page: Any) -> Header:
    return Header(page.imagelength, page.imagewidth, page.dtype.name)


def _through_tifffile(page: Any, name: str) -> NDArray[Any]:
    try:
        pixels: NDArray[Any] = page.asarray(maxworkers=1)
    except Exception as error:
        raise _damaged(name, error) from error
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _damaged(name: str, error: Exception) -> SourceError:
    return SourceError(
        f"{name} is damaged or cut short: {str(error) or type(error).__name__}",
        hint="copy or export the file again",
    )
