"""The source of examples/cloudvolume.json: a volume as cloud-volume itself writes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

EXAMPLES = ("cloudvolume.json",)
SHAPE_ZYX = (20, 600, 700)  # whole chunks and cuboids on no axis


def make_cloudvolume(folder: Path) -> None:
    """In `folder`: em, its chunks compressed, as is cloud-volume's habit."""
    from cloudvolume import CloudVolume  # noqa: PLC0415 - slow, and the voxels can be told without

    CloudVolume.from_numpy(
        volume().T,
        vol_path=f"file://{folder.resolve()}/em",
        resolution=(4, 4, 40),
        chunk_size=(128, 128, 16),
        layer_type="image",
        progress=False,
    )


def volume() -> NDArray[np.uint8]:
    """Shells around a point below; uint8, zyx."""
    z, y, x = np.ogrid[tuple(map(slice, SHAPE_ZYX))]
    far = np.sqrt((x - 350.0) ** 2 + (y - 300.0) ** 2 + (6.0 * z + 90.0) ** 2)
    return (128 + 100 * np.cos(far / 11)).astype(np.uint8)
