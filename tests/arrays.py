"""One volume in every format of chunked arrays, written by tensorstore or by hand, for tests to read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorstore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE_ZYX = (40, 50, 60)
VOLUME = (np.arange(40 * 50 * 60) % 65521).astype(np.uint16).reshape(SHAPE_ZYX)
JOB = {
    "ingest_type": "volumetric",
    "extent": {"x": [0, 60], "y": [0, 50], "z": [0, 40], "t": [0, 1]},
    "chunk_size": {"x": 32, "y": 32, "z": 16},
}


def write_zarr2(path: Path, array: NDArray[Any] = VOLUME, **metadata: Any) -> None:
    """Zarr 2, chunks of 16."""
    wanted = {"shape": array.shape, "chunks": [16] * array.ndim, "dtype": array.dtype.str} | metadata
    _write("zarr", path, array, metadata=wanted)


def write_zarr3(path: Path, array: NDArray[Any] = VOLUME, **metadata: Any) -> None:
    """Zarr 3, chunks of 16."""
    grid = {"name": "regular", "configuration": {"chunk_shape": [16] * array.ndim}}
    wanted = {"shape": array.shape, "data_type": array.dtype.name, "chunk_grid": grid} | metadata
    _write("zarr3", path, array, metadata=wanted)


def write_n5(path: Path, array: NDArray[Any] = VOLUME, **metadata: Any) -> None:
    """N5, blocks of 16; the array's axes are turned round, x first."""
    wanted = {
        "dimensions": array.shape[::-1],
        "dataType": array.dtype.name,
        "blockSize": [16] * array.ndim,
        "compression": {"type": "gzip"},
    } | metadata
    _write("n5", path, array.T, metadata=wanted)


def write_precomputed(
    path: Path, array: NDArray[Any] = VOLUME, *, resolution: tuple[int, ...] = (4, 4, 40), **scale: Any
) -> None:
    """Precomputed, chunks of 16; array zyx, or czyx. A second one at the same path becomes a second scale."""
    xyzc = array.T if array.ndim == 4 else array.T[..., np.newaxis]
    _write(
        "neuroglancer_precomputed",
        path,
        xyzc,
        multiscale_metadata={"data_type": array.dtype.name, "num_channels": xyzc.shape[3], "type": "image"},
        scale_metadata={
            "size": xyzc.shape[:3],
            "chunk_size": [16, 16, 16],
            "resolution": resolution,
            "encoding": "raw",
        }
        | scale,
    )


def half(array: NDArray[Any]) -> NDArray[Any]:
    """The next level: every second voxel on y and x, the last two axes."""
    return array[..., ::2, ::2]


def write_ome(folder: Path, version: str, levels: Mapping[str, NDArray[Any]], axes: str = "zyx") -> None:
    """OME-Zarr, its metadata by hand; each level half as fine as the one before; voxels 4 × 4 × 40 nm."""
    kinds = {"z": "space", "y": "space", "x": "space", "c": "channel", "t": "time"}
    datasets = []
    for at, (name, array) in enumerate(levels.items()):
        (write_zarr3 if version == "0.5" else write_zarr2)(folder / name, array)
        size = {"z": 0.04, "y": 0.004 * 2**at, "x": 0.004 * 2**at}
        scale = {"type": "scale", "scale": [size.get(axis, 1.0) for axis in axes]}
        datasets.append({"path": name, "coordinateTransformations": [scale]})
    described = [
        {"name": axis, "type": kinds[axis]} | ({"unit": "micrometer"} if axis in "zyx" else {})
        for axis in axes
    ]
    multiscales = [{"axes": described, "datasets": datasets, "name": "em"}]
    if version == "0.5":
        attributes = {"ome": {"version": version, "multiscales": multiscales}}
        group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        (folder / "zarr.json").write_text(json.dumps(group))
    else:
        (folder / ".zgroup").write_text('{"zarr_format": 2}')
        multiscales[0] |= {"version": version}
        (folder / ".zattrs").write_text(json.dumps({"multiscales": multiscales}))


def _write(driver: str, path: Path, array: NDArray[Any], **spec: Any) -> None:
    kvstore = {"driver": "file", "path": f"{path}/"}
    opened = tensorstore.open({"driver": driver, "kvstore": kvstore, **spec}, create=True, open=True).result()
    opened.write(array).result()
