"""What CloudVolume's arguments name: through tensorstore where that gives equal voxels, else cloud-volume."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boss_ingest.errors import ConfigError, MissingSourceError, SourceError
from boss_ingest.plugins import array_location
from boss_ingest.plugins.array_library import LibraryVolume, words
from boss_ingest.plugins.array_precomputed import NeedsCloudVolumeError
from boss_ingest.plugins.array_volume import View, Volume, open_array, place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from boss_ingest.plugins.cloudvolume import CloudVolumeChunkParams
    from boss_ingest.plugins.reader import Box

PARAM = "client.chunk_processor.params.cloudpath"

NO_MATTER = {
    "autocrop", "progress", "parallel", "green_threads", "codec_threads", "lru_bytes", "lru_encoding",
    "cache_locking", "max_redirects", "cdn_cache", "compress", "compress_cache", "compress_level",
    "non_aligned_writes", "overwrite_partial_chunks", "delete_black_uploads", "mesh_dir", "skel_dir",
    "spatial_index_db", "provenance",
}  # fmt: skip
"""Arguments of CloudVolume that change no voxel that is read."""

THAT_MATTER = {"agglomerate", "background_color", "cache", "info", "secrets", "timestamp"}
"""Arguments that only cloud-volume itself understands."""

_NOT_IN_OUR_PROCESS = {"autocrop", "progress", "parallel", "green_threads"}
_PRECOMPUTED = re.compile(r"(?:precomputed://)?((?:file|s3|gs|https?)://(?!.*://).*)")
_HTTPS = {"gs://": "https://storage.googleapis.com/", "s3://": "https://s3.amazonaws.com/"}
_SECRETS = {"s3": "*aws-secret.json", "gs": "*google-secret.json"}


async def open_volume(
    given: CloudVolumeChunkParams, ingest_job: Mapping[str, Any], *, chunk_bytes: int, cache_bytes: int
) -> Volume:
    """The volume, opened for reading. Raises ConfigError, SourceError."""
    reason = (
        "the params ask for it" if given.library == "cloudvolume" else await asyncio.to_thread(_reason, given)
    )
    if not reason:
        try:
            volume: Volume = await _with_tensorstore(given, chunk_bytes, cache_bytes)
        except NeedsCloudVolumeError as error:
            reason = error.what
        else:
            if given.bounded or _inside(volume, ingest_job):
                return volume
            await volume.close()
            reason = '"bounded": false lets the job leave the volume'
    if given.library == "tensorstore":
        raise ConfigError(
            f"{array_location.shown(given.cloudpath)} cannot be read with tensorstore: {reason}",
            hint='leave "library" out, and cloud-volume reads it',
        )
    return await asyncio.to_thread(_with_cloudvolume, given, reason, cache_bytes)


def _reason(given: CloudVolumeChunkParams) -> str:
    """Why cloud-volume has to read it; "" when tensorstore may try. Blocks."""
    found = _PRECOMPUTED.fullmatch(given.cloudpath)
    if found is None and "://" in given.cloudpath:
        return f"{given.cloudpath.partition('://')[0]}:// is known to cloud-volume only"
    for name, value in (given.model_extra or {}).items():
        if name not in NO_MATTER and value:
            return f'"{name}" is known to cloud-volume only'
    scheme = found[1].partition("://")[0] if found else "file"
    if scheme in _SECRETS and not given.use_https:
        for folder in (Path.home() / ".cloudvolume/secrets", Path.home() / ".cloudfiles/secrets"):
            if next(folder.glob(_SECRETS[scheme]), None):
                return f"the keys for it are in {folder}"
    if find_spec("tensorstore") is None:
        return "tensorstore is not installed"
    return ""


async def _with_tensorstore(given: CloudVolumeChunkParams, chunk_bytes: int, cache_bytes: int) -> Volume:
    url = given.cloudpath.removeprefix("precomputed://")
    if url.startswith("file://"):
        url = os.path.expanduser(url.removeprefix("file://"))  # noqa: ASYNC240, PTH111 - looks at no disk
    for scheme, public in _HTTPS.items() if given.use_https else ():
        url = url.replace(scheme, public, 1)
    view = View(
        format="precomputed",
        level=given.mip,
        channel=given.channel,
        fill=given.fill_missing,
        chunk_bytes=chunk_bytes,
    )
    volume = await open_array(array_location.find(url, param=PARAM), view, cache_bytes=cache_bytes)
    scale = (volume.found.info or {})["scales"][volume.found.scale]
    if isinstance(given.mip, list) and given.mip != scale["resolution"]:
        there = ", ".join(str(each["resolution"]) for each in (volume.found.info or {})["scales"])
        raise ConfigError(
            f"{given.cloudpath} has no resolution {given.mip}", hint=f'"mip" may be one of {there}'
        )
    return volume


def _inside(volume: Volume, ingest_job: Mapping[str, Any]) -> bool:
    spans = [ingest_job["extent"][axis] for axis in "zyx"]
    edges = zip(volume.start_zyx, spans, volume.stop_zyx, strict=True)
    return all(first <= span[0] and span[1] <= last for first, span, last in edges)


def _with_cloudvolume(given: CloudVolumeChunkParams, reason: str, cache_bytes: int) -> Volume:
    where = array_location.shown(given.cloudpath)
    try:
        library = import_module("cloudvolume")
    except ImportError as error:
        raise ConfigError(
            f"reading {where} needs cloud-volume ({reason}): {error}",
            hint="pip install 'boss-ingest[cloudvolume]'",
        ) from error
    arguments: dict[str, Any] = {"lru_bytes": cache_bytes} | (given.model_extra or {})
    arguments = {name: value for name, value in arguments.items() if name not in _NOT_IN_OUR_PROCESS}
    arguments |= {name: getattr(given, name) for name in ("mip", "fill_missing", "bounded", "use_https")}
    path = given.cloudpath if "://" in given.cloudpath else f"file://{given.cloudpath}"
    try:
        volume = library.CloudVolume(path, progress=False, **arguments)
        (x, y, z), (stop_x, stop_y, stop_z) = (
            list(map(int, at)) for at in (volume.bounds.minpt, volume.bounds.maxpt)
        )
        channels = int(volume.num_channels)
    except TypeError as error:
        raise ConfigError(f"CloudVolume does not take these params: {words(error)}") from error
    except Exception as error:
        raise SourceError(f"{where} cannot be opened with cloud-volume ({reason}): {words(error)}") from error
    channel = _channel(given, channels, where)

    def forget() -> None:
        volume.image.lru.clear()

    return LibraryVolume(
        where,
        import_module("numpy").dtype(volume.dtype).name,
        (z, y, x),
        (stop_z, stop_y, stop_x),
        lambda box: _cut(volume, box, channel, where),
        bounded=given.bounded,
        metadata=_metadata(path),
        forget=forget,
    )


def _metadata(path: str) -> Path | None:
    """The file that describes a precomputed volume, where it lies on a local disk."""
    folder = path.removeprefix("precomputed://").removeprefix("file://")
    info = Path(folder).expanduser() / "info"
    return info if "://" not in folder and info.is_file() else None


def _channel(given: CloudVolumeChunkParams, channels: int, where: str) -> int:
    if given.channel is None and channels > 1:
        raise ConfigError(
            f"{where} has {channels} channels, a job takes one",
            hint=f'set "channel" to a number from 0 to {channels - 1}',
        )
    if not 0 <= (given.channel or 0) < channels:
        raise ConfigError(f"{where} has no channel {given.channel}: there are 0 to {channels - 1}")
    return given.channel or 0


def _cut(volume: Any, box: Box, channel: int, where: str) -> NDArray[Any]:
    z, y, x = (slice(low, high) for low, high in zip(box.start_zyx, box.stop_zyx, strict=True))
    try:
        found = volume[x, y, z]
    except Exception as error:
        if type(error).__name__ != "EmptyVolumeException":
            raise
        raise _missing(volume, (x, y, z), place(where, box), error) from error
    import numpy as np

    return np.ascontiguousarray(np.asarray(found)[..., channel].transpose(2, 1, 0))


def _missing(volume: Any, part_xyz: tuple[slice, slice, slice], where: str, error: Exception) -> SourceError:
    """All of it is missing, which the job file may allow for; or a part: the rest must not be lost."""
    volume.fill_missing = True
    try:
        all_of_it = not volume[part_xyz].any()
    finally:
        volume.fill_missing = False
    kind = MissingSourceError if all_of_it else SourceError
    return kind(
        f"{where} is {'not there' if all_of_it else 'missing in part'}: {words(error)}",
        hint='was the volume copied whole? where nothing is stored on purpose, set "fill_missing": true',
    )
