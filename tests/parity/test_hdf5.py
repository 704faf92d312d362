"""HDF5 files, read as tiles, against the original's."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.parity.case import Case, Index, tile_job
from tests.parity.comparing import compare
from tests.volumes import pattern

pytestmark = pytest.mark.peer

TILE_XY = (16, 12)
X, Y = 40, 30  # 3 × 3 tiles, the last of each smaller
GRID: list[Index] = [(x, y, z, 0) for z in (0, 2) for y in (0, 1, 2) for x in (0, 1, 2)]
INNER: list[Index] = [(0, 0, 0, 0), (1, 1, 2, 0)]
JOB = tile_job(TILE_XY, x=(0, X), y=(0, Y), z=(0, 3), t=(0, 2))
LOCAL = {"filesystem": "local"}


async def test_one_file_a_slice_with_time_and_channels(tmp_path: Path) -> None:
    values = pattern((3, 2, X * 2, Y), "uint16").reshape(3, 2, X, Y, 2)  # z t x y channel
    for z, slice_txyc in enumerate(values):
        with h5py.File(tmp_path / f"s{z + 1}.h5", "w") as file:
            file["em"] = slice_txyc
            file["float"] = slice_txyc.astype(np.float64) / 3
    plain = Case(
        name="uint16",
        processor="hdf5.Hdf5TimeSeriesTileProcessor",
        path="hdf5.Hdf5TimeSeriesPathProcessor",
        path_params={"root_dir": str(tmp_path), "extension": "h5", "base_filename": "s<o:1>"},
        params={"upload_format": "tiff", "channel_index": 1, "scale_factor": 1, "dataset": "em", **LOCAL},
        ingest_job=JOB,
        indices=[*GRID, (0, 0, 0, 1), (2, 2, 2, 1)],
    )
    await compare(
        [
            plain,
            plain.but("as PNG", params={"upload_format": "png"}, indices=INNER),
            plain.but("scaled down", params={"scale_factor": 0.3}, indices=INNER),
            plain.but("scaled beyond 16 bits", params={"scale_factor": 3.0}, indices=INNER),
            plain.but("floating point", params={"dataset": "float"}, indices=INNER),
            plain.but("sample or slice that is not there", indices=[(0, 0, 0, 2), (0, 0, 3, 0)]),
            plain.but("wholly beyond the dataset", indices=[(3, 0, 0, 0)]),
        ],
        tmp_path,
    )


async def test_one_file_a_slice_of_labels(tmp_path: Path) -> None:
    values = pattern((3, X, Y), "uint64").astype(np.uint32) & 0x7FFFFFFF
    for z, slice_xy in enumerate(values):
        with h5py.File(tmp_path / f"s{z}.h5", "w") as file:
            file["labels"] = slice_xy
            file["high"] = slice_xy | np.uint32(1 << 31)
    plain = Case(
        name="uint32",
        processor="hdf5.Hdf5TimeSeriesLabelTileProcessor",
        path="hdf5.Hdf5TimeSeriesPathProcessor",
        path_params={"root_dir": str(tmp_path), "extension": "h5", "base_filename": "s<>"},
        params={"upload_format": "tiff", "dataset": "labels", **LOCAL},
        ingest_job=JOB,
        indices=GRID,
    )
    await compare(
        [
            plain,
            plain.but("as PNG", params={"upload_format": "png"}, indices=INNER),
            plain.but("from 2**31 on", params={"dataset": "high"}, indices=INNER),
        ],
        tmp_path,
    )


async def test_one_file_a_slice_with_its_place(tmp_path: Path) -> None:
    rows, columns = 20, 26
    for dtype in ("uint8", "uint16"):
        for z, image in enumerate(pattern((3, rows, columns), dtype)):
            with h5py.File(tmp_path / f"{dtype}_{z}.h5", "w") as file:
                file["em"], file["at"], file["size"] = image, np.array([3, 7]), np.array([rows, columns])
    plain = Case(
        name="uint8",
        processor="hdf5.Hdf5SliceTileProcessor",
        path="hdf5.Hdf5SlicePathProcessor",
        path_params={"root_dir": str(tmp_path), "extension": "h5", "base_filename": "uint8_<>"},
        params={
            "upload_format": "tiff",
            "data_name": "em",
            "offset_name": "at",
            "extent_name": "size",
            "offset_origin_x": 0,
            "offset_origin_y": 0,
            "datatype": "uint8",
            **LOCAL,
        },
        ingest_job=JOB,
        indices=[each for each in GRID if each[:2] != (2, 2)],
    )
    await compare(
        [
            plain,
            plain.but(
                "uint16",
                path_params={"base_filename": "uint16_<>"},
                params={"datatype": "uint16"},
                indices=INNER,
            ),
            plain.but("as PNG", params={"upload_format": "png"}, indices=INNER),
            plain.but("other origin on y than on x", params={"offset_origin_y": 2}, indices=INNER),
            plain.but(
                "origin below zero", params={"offset_origin_x": -9, "offset_origin_y": -9}, indices=INNER
            ),
            plain.but("no overlap", indices=[(3, 0, 0, 0), (0, 3, 0, 0), (5, 5, 0, 0)]),
            plain.but("slice that is not there", indices=[(0, 0, 3, 0)]),
        ],
        tmp_path,
    )


async def test_chunk_files(tmp_path: Path) -> None:
    columns, rows = TILE_XY
    job = tile_job(TILE_XY, x=(0, 2 * columns), y=(0, 2 * rows), z=(0, 6))
    volume = pattern((6, 2 * rows, 2 * columns))
    for kind, end in (("python", 0), ("other", 1)):
        for x in (0, 1):
            for y in (0, 1):
                for z in (0, 3):
                    spans = ((x * columns, columns), (y * rows, rows), (z, 3))
                    name = "_".join(f"{low}-{low + size - end}" for low, size in spans)
                    with h5py.File(tmp_path / f"{kind}_{name}.h5", "w") as file:
                        file["em"] = volume[z : z + 3, y * rows :, x * columns :][:, :rows, :columns]
    with h5py.File(tmp_path / f"deep_0-{columns}_0-{rows}_0-3.h5", "w") as file:
        file["em"] = pattern((3, rows, columns), "uint16")
    plain = Case(
        name="first chunk in z",
        processor="hdf5.Hdf5ChunkTileProcessor",
        path="hdf5.Hdf5ChunkPathProcessor",
        path_params={
            "root_dir": str(tmp_path),
            "extension": "h5",
            "prefix": "python",
            **{f"{axis}_offset": 0 for axis in "xyz"},
            **{f"{axis}_chunk_size": size for axis, size in zip("xyz", (columns, rows, 3), strict=True)},
            "use_python_convention": True,
        },
        params={
            "upload_format": "tiff",
            "data_name": "em",
            "datatype": "uint8",
            "z_chunk_size": 3,
            **LOCAL,
        },
        ingest_job=job,
        indices=[(x, y, z, 0) for z in (0, 2) for y in (0, 1) for x in (0, 1)],
    )
    later: list[Index] = [(0, 0, 3, 0), (1, 1, 5, 0)]
    await compare(
        [
            plain,
            plain.but(
                "stops that are the last voxel",
                path_params={"prefix": "other", "use_python_convention": False},
            ),
            plain.but("as 16 bits", params={"datatype": "uint16"}),
            plain.but("16 bits as 8", path_params={"prefix": "deep"}, indices=[(0, 0, 0, 0)]),
            plain.but("as 32 bits", params={"datatype": "uint32"}),
            plain.but("later chunk in z", indices=later),
            plain.but("file that is not there", path_params={"prefix": "none"}, indices=[(0, 0, 0, 0)]),
        ],
        tmp_path,
    )


async def test_one_file_for_everything(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "all.h5", "w") as file:
        for dtype in ("uint8", "uint16"):
            file[dtype] = pattern((3, Y, X), dtype)
        file["uint32"] = pattern((3, Y, X), "uint64").astype(np.uint32) & 0x7FFFFFFF
        file["tiny"] = pattern((3, 5, 6))
    plain = Case(
        name="uint8",
        processor="hdf5.Hdf5SingleFileTileProcessor",
        path="hdf5.Hdf5SingleFilePathProcessor",
        path_params={"filename": str(tmp_path / "all.h5")},
        params={
            "upload_format": "png",
            "data_name": "uint8",
            "datatype": "uint8",
            **{f"offset_{axis}": 0 for axis in "xyz"},
            **LOCAL,
        },
        ingest_job=JOB,
        indices=GRID,
    )
    await compare(
        [
            plain,
            plain.but("uint16", params={"data_name": "uint16", "datatype": "uint16"}),
            plain.but(
                "uint32", params={"data_name": "uint32", "datatype": "uint32", "upload_format": "tiff"}
            ),
            plain.but("negative offsets", params={f"offset_{axis}": -1 for axis in "xyz"}),
            plain.but(
                "positive offsets", params={"offset_x": 5, "offset_y": 3, "offset_z": 1}, indices=GRID[:8]
            ),
            plain.but(
                "tile over both ends", params={"data_name": "tiny", "offset_x": -3}, indices=[(0, 0, 0, 0)]
            ),
            plain.but("wholly beyond the dataset", indices=[(3, 0, 0, 0), (0, 3, 0, 0)]),
            plain.but("wholly before the dataset", params={"offset_x": -16}, indices=[(0, 0, 0, 0)]),
            plain.but("plane beyond the end", indices=[(0, 0, 3, 0)]),
        ],
        tmp_path,
    )
