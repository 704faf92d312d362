"""The sources of examples/catmaid.json and catmaid-url.json: CATMAID's tiles, in files and from a server.

Serve them while catmaid-url.json runs:

    python -m http.server 8124 --bind 127.0.0.1 --directory demo-data/catmaid/served
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

EXAMPLES = ("catmaid.json", "catmaid-url.json")
SHAPE_ZYX = (17, 600, 700)  # whole tiles and cuboids on no axis
TILE = 512
PORT = 8124


def make_catmaid(folder: Path) -> None:
    """In `folder`: tiles z/y_x_0.png in files, and 0/z/y/x.png in served."""
    for z, image in enumerate(volume()):
        for y in range(0, SHAPE_ZYX[1], TILE):
            for x in range(0, SHAPE_ZYX[2], TILE):
                tile = Image.fromarray(image[y : y + TILE, x : x + TILE])
                names = (
                    f"files/{z}/{y // TILE}_{x // TILE}_0.png",
                    f"served/0/{z}/{y // TILE}/{x // TILE}.png",
                )
                for name in names:
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    tile.save(folder / name, compress_level=1)


def volume() -> NDArray[np.uint8]:
    """A chequered relief that leans with z; uint8, zyx."""
    z, y, x = np.ogrid[tuple(map(slice, SHAPE_ZYX))]
    relief = np.sin((x + 6 * z) / 23) * np.sin((y - 4 * z) / 31)
    return (128 + 110 * relief).astype(np.uint8)


@contextmanager
def serving(folder: Path) -> Iterator[None]:
    """A web server of the tiles, for as long as the `with` lasts."""
    serve = ["-m", "http.server", str(PORT), "--bind", "127.0.0.1", "--directory", str(folder / "served")]
    with subprocess.Popen(
        [sys.executable, *serve], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as server:
        try:
            for _ in range(100):
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield
        finally:
            server.terminate()
