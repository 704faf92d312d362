"""The sources of examples/array-zarr.json, ome-zarr.json, n5.json, precomputed.json: four formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore
from numpy.typing import NDArray

EXAMPLES = ("array-zarr.json", "ome-zarr.json", "n5.json", "precomputed.json")
SHAPE_ZYX = (20, 600, 700)  # whole chunks and cuboids on no axis
CHUNK_ZYX = (16, 128, 128)
ORIGIN_XYZ = (1000, 2000, 300)  # where the precomputed volume begins; its job file takes that off


def make_array(folder: Path) -> None:
    """In `folder`: zarr/em (sharded), ome.zarr (three levels, two channels), n5/em, precomputed."""
    levels = [volume()]
    for _ in range(2):
        levels.append(levels[-1][:, ::2, ::2])
    _make_zarr(folder / "zarr/em", levels[0], ["z", "y", "x"])
    _make_ome(folder / "ome.zarr", levels)
    _write(
        folder / "n5/em",
        "n5",
        levels[0].T,
        metadata={
            "dimensions": SHAPE_ZYX[::-1],
            "blockSize": CHUNK_ZYX[::-1],
            "dataType": "uint8",
            "compression": {"type": "gzip"},
        },
    )
    _write(
        folder / "precomputed",
        "neuroglancer_precomputed",
        levels[0].T[..., np.newaxis],
        multiscale_metadata={"data_type": "uint8", "num_channels": 1, "type": "image"},
        scale_metadata={
            "size": SHAPE_ZYX[::-1],
            "voxel_offset": ORIGIN_XYZ,
            "chunk_size": CHUNK_ZYX[::-1],
            "resolution": [4, 4, 40],
            "encoding": "raw",
        },
    )


def volume() -> NDArray[np.uint8]:
    """Cells of a honeycomb that bends with z; uint8, zyx."""
    z, y, x = np.ogrid[tuple(map(slice, SHAPE_ZYX))]
    bent = x + 40 * np.sin(y / 90 + z / 7)
    cells = np.cos(bent / 13) + np.cos((bent / 2 + 0.87 * y) / 13) + np.cos((bent / 2 - 0.87 * y) / 13)
    return (110 + 40 * cells).astype(np.uint8)


def expected(example: str) -> NDArray[np.uint8]:
    """What that job file brings into the Boss: of OME-Zarr the second level, and the second channel."""
    return 255 - volume()[:, ::2, ::2] if example == "ome-zarr.json" else volume()


def _make_ome(folder: Path, levels: list[NDArray[np.uint8]]) -> None:
    datasets = []
    for at, level in enumerate(levels):
        _make_zarr(folder / str(at), np.stack([level, 255 - level]), ["c", "z", "y", "x"])
        scale = [1, 0.04, 0.004 * 2**at, 0.004 * 2**at]
        transformation = {"type": "scale", "scale": scale}
        datasets.append({"path": str(at), "coordinateTransformations": [transformation]})
    axes: list[dict[str, str]] = [{"name": "c", "type": "channel"}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    ome = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": ome}}
    (folder / "zarr.json").write_text(json.dumps(group, indent=1))


def _make_zarr(path: Path, array: NDArray[np.uint8], names: list[str]) -> None:
    chunk = (1,) * (array.ndim - 3) + CHUNK_ZYX
    shard = tuple(2 * size for size in chunk)
    inner = {"chunk_shape": chunk, "codecs": [{"name": "zstd", "configuration": {"level": 1}}]}
    metadata = {
        "shape": array.shape,
        "data_type": "uint8",
        "dimension_names": names,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": shard}},
        "codecs": [{"name": "sharding_indexed", "configuration": inner}],
    }
    _write(path, "zarr3", array, metadata=metadata)


def _write(path: Path, driver: str, array: NDArray[np.uint8], **spec: Any) -> None:
    kvstore = {"driver": "file", "path": f"{path}/"}
    tensorstore.open({"driver": driver, "kvstore": kvstore, **spec}, create=True).result().write(
        array
    ).result()
