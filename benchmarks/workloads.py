"""What is uploaded in `make bench`: workloads (a) to (f), their job files for ours and for the original."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import workload_data as data
from benchmarks.boss_process import Channel
from tests.local_jobs import NAMES

Plugins = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Workload:
    """`size_xyz` is that of a tile (z is 1) or of a chunk; a slice or a slab has `across`² of them."""

    name: str
    title: str
    size_xyz: tuple[int, int, int]
    make: Callable[[Path, int], None]
    ours: Callable[[Path], Plugins]
    original: Callable[[Path], Plugins]
    across: int = 1
    datatype: str = "uint8"
    channel_type: str = "image"

    @property
    def unit(self) -> str:
        return "chunk" if self.size_xyz[2] > 1 else "tile"

    @property
    def source_bytes(self) -> int:
        """Of one task: its voxels, decoded."""
        x, y, z = self.size_xyz
        return x * y * z * {"uint8": 1, "uint16": 2, "uint64": 8}[self.datatype]

    @property
    def puts_per_task(self) -> int:
        x, y, z = self.size_xyz
        return (x // 512) * (y // 512) * (z // 16) if self.unit == "chunk" else 1

    def rounded(self, tasks: float) -> int:
        """Whole slices, or slabs."""
        each = self.across**2
        return max(1, round(tasks / each)) * each

    def layers(self, tasks: int) -> int:
        """Slices, or slabs of chunks, that so many tasks are."""
        return tasks // self.across**2

    def extent(self, tasks: int) -> dict[str, tuple[int, int]]:
        x, y, z = self.size_xyz
        return {
            "x": (0, x * self.across),
            "y": (0, y * self.across),
            "z": (0, z * self.layers(tasks)),
            "t": (0, 1),
        }

    def channel(self, tasks: int) -> Channel:
        return Channel(self.datatype, self.channel_type, self.extent(tasks))

    def job_file(self, folder: Path, tasks: int, host: str, *, original: bool) -> dict[str, Any]:
        """For the Boss at `host`, of the data in `folder`."""
        size = dict(zip("xyz", self.size_xyz, strict=True))
        kind: dict[str, Any] = {"ingest_type": "volumetric", "chunk_size": size}
        if self.unit == "tile":
            kind = {"ingest_type": "tile", "tile_size": size | {"t": 1}}
        plugins = (self.original if original else self.ours)(folder)
        return {
            "schema": {"name": "boss-v0.2-schema", "validator": "BossValidatorV02"},
            "client": {
                "backend": {"name": "boss", "class": "BossBackend", "host": host, "protocol": "http"},
                **plugins,
            },
            "database": NAMES,
            "ingest_job": {"resolution": 0, "extent": self.extent(tasks), **kind},
        }


def _plugin(name: str, **params: Any) -> dict[str, Any]:
    return {"class": name, "params": params}


def _stack(package: str, folder: Path, extension: str, **more: str) -> Plugins:
    """Both have these classes; the original encodes anew, in the format its tile processor names."""
    name = f"{package}.plugins.stack.ZindexStack"
    return {
        "path_processor": _plugin(
            f"{name}PathProcessor", root_dir=str(folder), base_filename="z<p:6>", extension=extension
        ),
        "tile_processor": _plugin(f"{name}TileProcessor", extension="png", filesystem="local", **more),
    }


def _our_stack(extension: str, **more: str) -> Callable[[Path], Plugins]:
    return lambda folder: _stack("boss_ingest", folder, extension, **more)


def _their_stack(extension: str) -> Callable[[Path], Plugins]:
    return lambda folder: _stack("ingestclient", folder, extension)


def _crops(folder: Path) -> Plugins:
    """The original has no plugin that cuts slices into tiles: one as a lab would write it."""
    return {
        "path_processor": _stack("ingestclient", folder, "tif")["path_processor"],
        "tile_processor": _plugin("lab_plugins.CropFromSlice"),
    }


def _our_zarr(folder: Path) -> Plugins:
    name = "boss_ingest.plugins.zarr.Zarr"
    return {
        "path_processor": _plugin(f"{name}PathProcessor"),
        "chunk_processor": _plugin(f"{name}ChunkProcessor", cloud_path=str(folder), volume_name="em"),
    }


def _their_zarr(folder: Path) -> Plugins:
    """The original's own opens s3:// and gs:// only: one as a lab would write it."""
    return {
        "path_processor": _plugin("lab_plugins.Nowhere"),
        "chunk_processor": _plugin("lab_plugins.ChunkFromZarr", array=f"{folder}/em"),
    }


_TILE = (1024, 1024, 1)
EM, LABELS = (1024, 1024, 64), (1024, 1024, 16)

ALL = {
    each.name: each
    for each in (
        Workload(
            "a", "PNG tiles, 1024² uint8, passed through", _TILE, data.png_tiles,
            _our_stack("png"), _their_stack("png"),
        ),
        Workload(
            "b", "TIFF slices of 4096² uint8, cut into PNG tiles of 1024²", _TILE, data.tiff_slices,
            _our_stack("tif", images="slices"), _crops, across=4,
        ),
        Workload(
            "c", "TIFF tiles, 1024² uint16: ours passes them through, the original encodes PNG",
            _TILE, data.tiff_tiles,
            _our_stack("tif"), _their_stack("tif"), datatype="uint16",
        ),
        Workload(
            "d", "Zarr, uint8 noise, chunks of 1024 × 1024 × 64", EM, data.zarr_noise, _our_zarr, _their_zarr
        ),
        Workload(
            "e", "Zarr, uint64 segmentation, chunks of 1024 × 1024 × 16", LABELS, data.zarr_labels,
            _our_zarr, _their_zarr, datatype="uint64", channel_type="annotation",
        ),
        Workload(
            "f", "PNG tiles of 64 KiB, 256² uint8", (256, 256, 1), data.small_tiles,
            _our_stack("png"), _their_stack("png"),
        ),
    )
}  # fmt: skip
