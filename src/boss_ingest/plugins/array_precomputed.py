"""What tensorstore cannot read of neuroglancer precomputed volumes, and cloud-volume can."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from boss_ingest.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from boss_ingest.plugins.array_format import Found

_ENCODINGS = ("raw", "jpeg", "png", "compressed_segmentation")
_COMPRESSED = (".gz", ".br", ".zstd", ".xz", ".bz2")


class NeedsCloudVolumeError(ConfigError):
    """The volume is there, but only cloud-volume reads it."""


def check(found: Found) -> None:
    """Raise NeedsCloudVolumeError when tensorstore would fail, or see no chunks where some are. Blocks."""
    info: dict[str, Any] = found.info or {}
    scale = info["scales"][found.scale]
    reason = ""
    if info.get("redirect"):
        reason = "its info file redirects to another volume"
    elif (encoding := scale.get("encoding", "raw")) not in _ENCODINGS:
        reason = f"its chunks are encoded as {encoding}"
    elif found.at.folder is not None and (suffix := _suffix(found.at.folder / scale["key"])):
        reason = f"its chunks are compressed files ({suffix})"
    if reason:
        raise NeedsCloudVolumeError(
            f"{found.where} cannot be read with tensorstore: {reason}",
            hint="use cloudvolume.CloudVolumeChunkProcessor; pip install 'boss-ingest[cloudvolume]'",
        )


def _suffix(folder: Path) -> str:
    """Of files that cloud-volume compressed on a local disk: tensorstore looks for names without it."""
    if not folder.is_dir():
        return ""
    with os.scandir(folder) as files:
        return next((suffix for file in files for suffix in _COMPRESSED if file.name.endswith(suffix)), "")
