"""Stacks of images, and the helpers for trying things out, against the original's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.parity.case import Case, Index, tile_job
from tests.parity.comparing import compare
from tests.volumes import pattern

pytestmark = pytest.mark.peer

ROWS, COLUMNS = 24, 32
VOLUME = pattern((4, 2 * ROWS, 2 * COLUMNS))
GRID: list[Index] = [(x, y, z, 0) for z in (0, 3) for y in (0, 1) for x in (0, 1)]
JOB = tile_job((COLUMNS, ROWS), x=(0, 2 * COLUMNS), y=(0, 2 * ROWS), z=(0, 4))


def tiles(folder: Path, name: str, kind: str, make: type[np.generic] | str, **options: object) -> Case:
    """Write one image a tile, in a folder of its own; `make` is a dtype, or a mode of Pillow's."""
    root = folder / name.replace(" ", "-").replace(",", "")
    root.mkdir()
    for x, y, z, _ in [*GRID, (0, 0, 1, 0)]:
        pixels = VOLUME[z, y * ROWS :, x * COLUMNS :][:ROWS, :COLUMNS]
        image = Image.fromarray(pixels) if isinstance(make, str) else Image.fromarray(spread(pixels, make))
        image = image.convert(make) if isinstance(make, str) else image
        image.save(root / f"s{z + 7:04}_{y}_{x}.{kind}", **options)  # type: ignore[arg-type]  # Pillow's own
    return Case(
        name=name,
        processor="stack.ZindexStackTileProcessor",
        path="stack.ZindexStackPathProcessor",
        path_params={"root_dir": str(root), "base_filename": "s<o:7p:4>_<y>_<x>", "extension": kind},
        params={"extension": kind, "filesystem": "local"},
        ingest_job=JOB,
        indices=GRID,
    )


def spread(pixels: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    """The same pixels over more of what the type holds."""
    return pixels.astype(dtype) * dtype({1: 1, 2: 257, 4: 65537}[np.dtype(dtype).itemsize])


async def test_stacks_of_images(tmp_path: Path) -> None:
    plain = tiles(tmp_path, "8-bit PNG", "png", np.uint8)
    big_endian = tiles(tmp_path, "16-bit TIFF, big-endian", "tif", np.uint16)
    write_big_endian(Path(big_endian.path_params["root_dir"]))
    root = Path(plain.path_params["root_dir"])
    (root / "none").mkdir()
    (root / "s<p:4o:7>_7.png").write_bytes((root / "s0007_0_0.png").read_bytes())
    out = {"root_dir": str(root / "none"), "base_filename": "../s<o:7p:4>_<y>_<x>"}
    gone: list[Index] = [(0, 0, 2, 0)]
    await compare(
        [
            plain,
            tiles(tmp_path, "16-bit PNG", "png", np.uint16),
            tiles(tmp_path, "8-bit TIFF, spelled tif", "tif", np.uint8),
            tiles(tmp_path, "16-bit TIFF, compressed", "tiff", np.uint16, compression="tiff_lzw"),
            big_endian,
            tiles(tmp_path, "32-bit TIFF", "tif", np.int32),
            tiles(tmp_path, "float TIFF", "tif", np.float32),
            tiles(tmp_path, "JPEG", "jpg", np.uint8, quality=95),
            tiles(tmp_path, "1-bit PNG", "png", "1"),
            tiles(tmp_path, "palette PNG", "png", "P"),
            tiles(tmp_path, "colour PNG", "png", "RGB"),
            plain.but("index out of the job", indices=[(0, 0, 4, 0), (0, 0, 0, 1)]),
            plain.but(
                "slice below the extent",
                ingest_job={"extent": {**JOB["extent"], "z": [1, 4]}},
                indices=[(0, 0, 0, 0), (0, 0, 1, 0)],
            ),
            plain.but("file that is not there", indices=gone),
            plain.but(
                "file that is not there, fail_gracefully", params={"fail_gracefully": True}, indices=gone
            ),
            plain.but(
                "placeholder that is none",
                path_params={"base_filename": "s<p:4o:7>_<o:7>"},
                indices=[(0, 0, 0, 0)],
            ),
            plain.but(
                "image larger than the tile",
                ingest_job={"tile_size": {"x": 16, "y": 16, "z": 1, "t": 1}},
                indices=[(0, 0, 0, 0), (1, 1, 0, 0)],
            ),
            plain.but(
                "image smaller than the tile", ingest_job={"tile_size": {"x": 64, "y": 64, "z": 1, "t": 1}}
            ),
            plain.but("name that leaves root_dir", path_params=out),
        ],
        tmp_path,
    )


def write_big_endian(folder: Path) -> None:
    """The same 16-bit pixels in the other byte order, as one uncompressed strip."""
    import tifffile

    for path in list(folder.iterdir()):
        with Image.open(path) as image:
            pixels = np.asarray(image)
        tifffile.imwrite(path, pixels, byteorder=">", photometric="minisblack")


async def test_the_helpers_for_trying_things_out(tmp_path: Path) -> None:
    folder = tmp_path / "tiles"
    folder.mkdir()
    sample = Case(
        name="any",
        processor="tile.TestTileProcessor",
        path="path.TestPathProcessor",
        ingest_job=JOB,
        indices=[(0, 0, 0, 0), (5, 5, 5, 0)],
    )
    opened = tiles(folder, "16-bit PNG", "png", np.uint16)
    opened = opened.but("16-bit PNG", processor="tile.TestTileProcessor", params={})
    noise = Case(
        name="any",
        processor="tile.TestRandomTileProcessor",
        path="path.TestPassThroughPathProcessor",
        ingest_job=JOB,
        indices=[(0, 0, 0, 0), (5, 5, 5, 0)],
        compare="form",
    )
    await compare([sample, opened, noise], tmp_path)
