"""The data of the reading benchmark, one function a layout, and the job that reads it.

Everything is aligned: tiles and chunks begin and end where stored blocks do, and all of a file is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tensorstore
import tifffile
from numpy.typing import NDArray
from PIL import Image

ROWS, COLUMNS, TILE, DEEP = 1024, 2048, 1024, 16
CHUNK_XYZ = (512, 512, 16)
Index = tuple[int, int, int, int]  # x, y, z, t


@dataclass(frozen=True)
class Work:
    """What one run reads. The classes are named below `plugins`; without `original` only ours reads it."""

    processor: str
    ingest_job: dict[str, Any]
    params: dict[str, Any] = field(default_factory=dict)
    path: str = ""
    path_params: dict[str, Any] = field(default_factory=dict)
    dtype: str = "uint8"
    original: bool = True

    @property
    def volumetric(self) -> bool:
        return "chunk_size" in self.ingest_job

    @property
    def indices(self) -> list[Index]:
        """As the Boss queues them: 16 slices of one place, then the next place."""
        extent = self.ingest_job["extent"]
        size = self.ingest_job["chunk_size" if self.volumetric else "tile_size"]
        nx, ny, nz = (extent[axis][1] // size[axis] for axis in "xyz")
        step = 1 if self.volumetric else DEEP
        return [
            (x, y, z, t)
            for t in range(extent["t"][1])
            for first in range(0, nz, step)
            for y in range(ny)
            for x in range(nx)
            for z in range(first, min(first + step, nz))
        ]

    @property
    def pixel_bytes(self) -> int:
        """Of all tiles or chunks, decoded."""
        spans = self.ingest_job["extent"].values()
        return int(np.prod([stop for _, stop in spans])) * np.dtype(self.dtype).itemsize

    def told(self) -> dict[str, Any]:
        """What a run is told, as JSON has it."""
        return asdict(self) | {
            "indices": self.indices,
            "volumetric": self.volumetric,
            "pixel_bytes": self.pixel_bytes,
        }


def planes(count: int, dtype: str = "uint8") -> Iterator[NDArray[Any]]:
    """Images that compress about as electron microscopy does: smooth shapes under fine noise."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    shapes = 128 + 45 * np.sin(x / 31 + 2 * np.sin(y / 57)) * np.cos(y / 43)
    grain = rng.normal(0, 7, shapes.shape).astype(np.float32)
    factor = 1 if dtype == "uint8" else 16
    for n in range(count):
        plane = np.roll(shapes, 5 * n, 1) + np.roll(grain, (37 * n, 101 * n), (0, 1))
        yield (np.clip(plane, 0, 255) * factor).astype(dtype)


def tile_job(z: int, *, t: int = 1, whole: bool = False) -> dict[str, Any]:
    size = {"x": COLUMNS if whole else TILE, "y": ROWS if whole else TILE, "z": 1, "t": 1}
    return {"ingest_type": "tile", "resolution": 0, "extent": extent(z, t), "tile_size": size}


def chunk_job(z: int) -> dict[str, Any]:
    size = dict(zip("xyz", CHUNK_XYZ, strict=True))
    return {"ingest_type": "volumetric", "resolution": 0, "extent": extent(z), "chunk_size": size}


def extent(z: int, t: int = 1) -> dict[str, list[int]]:
    return {"x": [0, COLUMNS], "y": [0, ROWS], "z": [0, z], "t": [0, t]}


def save_tiles(folder: Path, z: int, name: Callable[[int, int, int], str]) -> None:
    for n, plane in enumerate(planes(z)):
        for y in range(ROWS // TILE):
            for x in range(COLUMNS // TILE):
                path = folder / name(x, y, n)
                path.parent.mkdir(parents=True, exist_ok=True)
                tile = plane[y * TILE :, x * TILE :][:TILE, :TILE]
                Image.fromarray(tile).save(path, compress_level=3)


def stack_png(folder: Path, z: int) -> Work:
    save_tiles(folder, z, lambda x, y, n: f"z{n:04}_y{y}_x{x}.png")
    return Work(
        processor="stack.ZindexStackTileProcessor",
        path="stack.ZindexStackPathProcessor",
        path_params={"root_dir": str(folder), "base_filename": "z<p:4>_y<y>_x<x>", "extension": "png"},
        params={"extension": "png", "filesystem": "local"},
        ingest_job=tile_job(z),
    )


def catmaid_files(folder: Path, z: int) -> Work:
    save_tiles(folder, z, lambda x, y, n: f"{n}/{y}_{x}_0.png")
    return Work(
        processor="catmaid.CatmaidFileImageStackTileProcessor",
        path="catmaid.CatmaidFileImageStackPathProcessor",
        path_params={"root_dir": str(folder), "filetype": "png"},
        params={"filetype": "png"},
        ingest_job=tile_job(z),
    )


def save_volume(path: Path, z: int, chunks: tuple[int, int, int]) -> None:
    with h5py.File(path, "w") as file:
        data = file.create_dataset("em", (z, ROWS, COLUMNS), "uint8", chunks=chunks, compression="gzip")
        some: list[NDArray[Any]] = []
        for n, plane in enumerate(planes(z), 1):
            some.append(plane)
            if n % DEEP == 0:
                data[n - DEEP : n] = np.stack(some)
                some.clear()


def hdf5_single_file(folder: Path, z: int) -> Work:
    save_volume(folder / "all.h5", z, (DEEP, 256, 256))
    return Work(
        processor="hdf5.Hdf5SingleFileTileProcessor",
        path="hdf5.Hdf5SingleFilePathProcessor",
        path_params={"filename": str(folder / "all.h5")},
        params={
            "upload_format": "png", "data_name": "em", "datatype": "uint8", "filesystem": "local",
            "offset_x": 0, "offset_y": 0, "offset_z": 0,
        },
        ingest_job=tile_job(z),
    )  # fmt: skip


def hdf5_slice(folder: Path, z: int) -> Work:
    for n, plane in enumerate(planes(z)):
        with h5py.File(folder / f"s{n}.h5", "w") as file:
            file.create_dataset("em", data=plane, chunks=(256, 256), compression="gzip")
            file["at"], file["size"] = np.array([0, 0]), np.array([ROWS, COLUMNS])
    return Work(
        processor="hdf5.Hdf5SliceTileProcessor",
        path="hdf5.Hdf5SlicePathProcessor",
        path_params={"root_dir": str(folder), "extension": "h5", "base_filename": "s<>"},
        params={
            "upload_format": "png", "data_name": "em", "datatype": "uint8", "filesystem": "local",
            "offset_name": "at", "extent_name": "size", "offset_origin_x": 0, "offset_origin_y": 0,
        },
        ingest_job=tile_job(z),
    )  # fmt: skip


def hdf5_time_series(folder: Path, z: int, upload_format: str = "tiff") -> Work:
    slices, times = z // 4, 2
    for n, plane in enumerate(planes(slices, "uint16")):
        values = np.stack([plane.T, plane.T + 1])[..., np.newaxis]  # t, x, y, channel
        with h5py.File(folder / f"s{n}.h5", "w") as file:
            file.create_dataset("em", data=values, chunks=(1, 256, 256, 1), compression="gzip")
    return Work(
        processor="hdf5.Hdf5TimeSeriesTileProcessor",
        path="hdf5.Hdf5TimeSeriesPathProcessor",
        path_params={"root_dir": str(folder), "extension": "h5", "base_filename": "s<>"},
        params={
            "upload_format": upload_format, "dataset": "em", "channel_index": 0, "scale_factor": 1,
            "filesystem": "local",
        },
        ingest_job=tile_job(slices, t=times),
        dtype="uint16",
    )  # fmt: skip


def hdf5_time_series_png(folder: Path, z: int) -> Work:
    return hdf5_time_series(folder, z, "png")


def tiff_single_time(folder: Path, z: int) -> Work:
    times = z // 4
    for n in range(2):
        series = np.stack(list(planes(times, "uint16"))) + np.uint16(n)
        tifffile.imwrite(folder / f"{n}.tif", series, photometric="minisblack")
    return Work(
        processor="multipage_tiff.SingleTimeTiffTileProcessor",
        path="multipage_tiff.SingleTimeTiffPathProcessor",
        path_params={f"z_{n}": str(folder / f"{n}.tif") for n in range(2)},
        params={"datatype": "uint16"},
        ingest_job=tile_job(2, t=times),
        dtype="uint16",
    )


def tiff_hyperstack(folder: Path, z: int) -> Work:
    times, each = z // 2, 8
    frames = list(planes(times, "uint16"))
    for n in range(times // each):
        pages = np.stack(frames[n * each : (n + 1) * each])
        tifffile.imwrite(folder / f"s{n:03}.tif", pages, photometric="minisblack", compression="zlib")
    return Work(
        processor="multipage_tiff.TiffMultiFileHyperStackTileProcessor",
        path="multipage_tiff.TiffMultiFileHyperStackPathProcessor",
        path_params={
            "root_dir": str(folder), "extension": "tif", "base_filename": "s<p:3>", "time_chunk_size": each,
        },
        params={
            "time_chunk_size": each, "num_z_slices": 1, "num_channels": 1, "channel_index": 0,
            "filesystem": "local",
        },
        ingest_job=tile_job(1, t=times, whole=True),
        dtype="uint16",
    )  # fmt: skip


def cloudvolume(folder: Path, z: int) -> Work:
    z *= 4
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": str(folder / "em")},
        "multiscale_metadata": {"data_type": "uint8", "num_channels": 1, "type": "image"},
        "scale_metadata": {
            "size": [COLUMNS, ROWS, z], "encoding": "raw", "chunk_size": [128, 128, 16],
            "resolution": [4, 4, 40], "voxel_offset": [0, 0, 0],
        },
    }  # fmt: skip
    volume = tensorstore.open(spec, create=True).result()
    volume[..., 0].write(np.stack(list(planes(z))).transpose(2, 1, 0)).result()
    return Work(
        processor="cloudvolume.CloudVolumeChunkProcessor",
        path="cloudvolume.CloudVolumePathProcessor",
        params={"cloudpath": f"file://{folder}/em", "progress": False},
        ingest_job=chunk_job(z),
    )


def array_zarr(folder: Path, z: int) -> Work:
    z *= 4
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    kvstore = {"driver": "file", "path": str(folder / "em")}
    spec = {"driver": "zarr", "kvstore": kvstore, "metadata": {"chunks": list(CHUNK_XYZ[::-1])}}
    array = tensorstore.open(spec, create=True, dtype="uint8", shape=(z, ROWS, COLUMNS)).result()
    array.write(np.stack(list(planes(z)))).result()
    return Work(
        processor="array.ArrayReader",
        params={"url": str(folder), "array": "em"},
        ingest_job=chunk_job(z),
        original=False,
    )


def hdf5_volume(folder: Path, z: int) -> Work:
    save_volume(folder / "volume.h5", z, (DEEP, 256, 256))
    return Work(
        processor="hdf5.Hdf5VolumeReader",
        params={"filename": str(folder / "volume.h5"), "dataset": "em", "axes": "zyx"},
        ingest_job=chunk_job(z),
        original=False,
    )


def tiff_volume(folder: Path, z: int) -> Work:
    tifffile.imwrite(
        folder / "volume.tif",
        np.stack(list(planes(z))),
        tile=(512, 512),
        compression="zlib",
        photometric="minisblack",
        metadata={"axes": "ZYX"},
    )
    return Work(
        processor="tiff.TiffVolumeReader",
        params={"filename": str(folder / "volume.tif")},
        ingest_job=chunk_job(z),
        original=False,
    )


def stack_chunks(folder: Path, z: int) -> Work:
    for n, plane in enumerate(planes(z)):
        Image.fromarray(plane).save(folder / f"z{n:04}.png", compress_level=3)
    return Work(
        processor="stack.ZindexStackChunkProcessor",
        path="stack.ZindexStackPathProcessor",
        path_params={"root_dir": str(folder), "base_filename": "z<p:4>", "extension": "png"},
        params={"images": "slices"},
        ingest_job=chunk_job(z),
        original=False,
    )


LAYOUTS: dict[str, Callable[[Path, int], Work]] = {
    "stack, PNG tiles": stack_png,
    "catmaid, PNG files": catmaid_files,
    "hdf5 single file, gzip 16×256×256": hdf5_single_file,
    "hdf5 slice, gzip 256×256": hdf5_slice,
    "hdf5 time series, gzip, 16-bit (its tiles TIFF)": hdf5_time_series,
    "hdf5 time series, gzip, 16-bit (its tiles PNG)": hdf5_time_series_png,
    "TIFF single time, 16-bit (its tiles TIFF)": tiff_single_time,
    "TIFF hyperstack, deflate, 16-bit (its tiles TIFF)": tiff_hyperstack,
    "cloudvolume, raw 128×128×16": cloudvolume,
    "array: zarr 16×512×512": array_zarr,
    "HDF5 volume, gzip 16×256×256": hdf5_volume,
    "TIFF volume, deflate tiles 512×512": tiff_volume,
    "stack as chunks, PNG slices": stack_chunks,
}
