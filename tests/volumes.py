"""Small volumes as a lab has them on disk, the job files that describe them, and how to read them back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import blosc
import numpy as np
import tensorstore
from PIL import Image
from pydantic import SecretStr

from boss_ingest.boss.client import BossClient
from boss_ingest.config.extent import Extent, Span
from tests.job_files import write

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from boss_ingest.local.boss import LocalBoss

PLUGINS = "boss_ingest.plugins"
_Triple = tuple[int, int, int]
_STEPS = {
    "uint8": (251, (89, 7, 3, 1)),
    "uint16": (65521, (9001, 4099, 257, 1)),
    "uint64": (2**40, (7, 5, 3, 1)),
}


def pattern(shape: tuple[int, ...], dtype: str = "uint8") -> NDArray[Any]:
    """Voxels that no shift, swap of axes or lost byte leaves as they are; axes tzyx or zyx."""
    modulus, steps = _STEPS[dtype]
    work = {"uint8": np.uint16, "uint16": np.uint32, "uint64": np.uint64}[dtype]
    total = np.ones(shape, work)
    for axis, step in enumerate(steps[-len(shape) :]):
        ramp = np.arange(shape[axis], dtype=np.uint64) * np.uint64(step) % np.uint64(modulus)
        total += ramp.astype(work).reshape([-1 if at == axis else 1 for at in range(len(shape))])
    return (total % work(modulus)).astype(dtype)


def write_slices(folder: Path, volume: NDArray[Any], tile: int) -> None:
    """One PNG a tile, `z0007_y0_x1.png`; those at the edges are as small as what is left. Axes zyx."""
    folder.mkdir()
    _, rows, columns = volume.shape
    for z, image in enumerate(volume):
        for y in range(0, rows, tile):
            for x in range(0, columns, tile):
                path = folder / f"z{z:04}_y{y // tile}_x{x // tile}.png"
                Image.fromarray(image[y : y + tile, x : x + tile]).save(path, compress_level=1)


def write_zarr(folder: Path, volume: NDArray[Any]) -> None:
    """A Zarr group with one array, `em`. Axes zyx."""
    folder.mkdir()
    (folder / ".zgroup").write_text('{"zarr_format": 2}')
    kvstore = {"driver": "file", "path": str(folder / "em")}
    spec = {"driver": "zarr", "kvstore": kvstore, "metadata": {"chunks": [16, 256, 256]}}
    array = tensorstore.open(spec, create=True, dtype=volume.dtype.name, shape=volume.shape).result()
    array.write(volume).result()


@dataclass(frozen=True)
class Source:
    """A volume, and the `client` and `ingest_job` sections of a job file that reads it."""

    volume: NDArray[Any]  # zyx or tzyx, from the origin
    client: dict[str, Any]
    ingest_job: dict[str, Any]

    @property
    def extent(self) -> Extent:
        return Extent(**{axis: Span(*span) for axis, span in self.ingest_job["extent"].items()})

    @property
    def wanted(self) -> NDArray[Any]:
        """The voxels inside the extent."""
        spans = [self.extent.z, self.extent.y, self.extent.x]
        if self.volume.ndim == 4:
            spans.insert(0, self.extent.t)
        return self.volume[tuple(slice(span.start, span.stop) for span in spans)]

    def job(self, boss: LocalBoss | str, channel: str = "ch", *, schema: str = "0.2") -> dict[str, Any]:
        """The whole job file."""
        url = boss if isinstance(boss, str) else boss.url
        protocol, _, host = url.partition("://")
        ingest_job = dict(self.ingest_job)
        if schema == "0.1":
            del ingest_job["ingest_type"]
        return {
            "schema": {
                "name": f"boss-v{schema}-schema", "validator": f"BossValidatorV{schema.replace('.', '')}"
            },
            "client": {
                "backend": {"name": "boss", "class": "BossBackend", "host": host, "protocol": protocol},
                **self.client,
            },
            "database": {"collection": "col", "experiment": "exp", "channel": channel},
            "ingest_job": ingest_job,
        }  # fmt: skip

    def write_job(
        self, path: Path, boss: LocalBoss | str, channel: str = "ch", *, schema: str = "0.2"
    ) -> Path:
        """Write it; returns its path."""
        path.write_text(json.dumps(self.job(boss, channel, schema=schema), indent=1))
        return path

    async def make_channel(self, boss: LocalBoss, channel: str = "ch") -> None:
        """Make the channel that this source goes into."""
        dtype = self.volume.dtype.name
        await boss.prepare(
            collection="col",
            experiment="exp",
            channel=channel,
            datatype=dtype,
            extent=Extent(Span(0, 4096), Span(0, 4096), Span(0, 512), Span(0, 4)),
            channel_type="annotation" if dtype == "uint64" else "image",
        )

    async def stored(self, boss: LocalBoss | str, channel: str = "ch", *, token: str = "") -> NDArray[Any]:
        """What the Boss has inside the extent, through its cutout API."""
        url, token = (boss, token) if isinstance(boss, str) else (boss.url, boss.token)
        async with BossClient(url, SecretStr(token)) as client:
            buffer = await client.cutout("col", "exp", channel, resolution=0, extent=self.extent)
        return np.frombuffer(blosc.decompress(buffer), self.volume.dtype).reshape(self.wanted.shape)

    async def assert_stored(self, boss: LocalBoss | str, channel: str = "ch", *, token: str = "") -> None:
        """Fail unless every voxel inside the extent is in the Boss."""
        stored = await self.stored(boss, channel, token=token)
        assert (stored != self.wanted).sum() == 0, f"{channel} differs from its source"


def read_job(path: Path) -> dict[str, Any]:
    """The job file as JSON."""
    job: dict[str, Any] = json.loads(path.read_text())
    return job


def change_job(path: Path, dotted: str, value: object) -> None:
    """Set one field of a job file."""
    path.write_text(json.dumps(write(read_job(path), dotted, value)))


def slices_source(folder: Path, volume: NDArray[Any], tile: int, *, package: str = PLUGINS) -> Source:
    """A stack of images, one a tile."""
    write_slices(folder, volume, tile)
    client = {
        "path_processor": {
            "class": f"{package}.stack.ZindexStackPathProcessor",
            "params": {"root_dir": str(folder), "base_filename": "z<p:4>_y<y>_x<x>", "extension": "png"},
        },
        "tile_processor": {
            "class": f"{package}.stack.ZindexStackTileProcessor",
            "params": {"extension": "png", "filesystem": "local"},
        },
    }
    return Source(volume, client, tile_job(volume, tile))


def zarr_source(
    folder: Path, volume: NDArray[Any], chunk_xyz: _Triple, *, start_zyx: _Triple = (0, 0, 0)
) -> Source:
    """A Zarr array, ingested from `start_zyx` on."""
    write_zarr(folder, volume)
    client = {
        "path_processor": {"class": f"{PLUGINS}.zarr.ZarrPathProcessor", "params": {}},
        "chunk_processor": {
            "class": f"{PLUGINS}.zarr.ZarrChunkProcessor",
            "params": {"cloud_path": str(folder), "volume_name": "em"},
        },
    }
    return Source(volume, client, chunk_job(volume, chunk_xyz, start_zyx=start_zyx))


def tile_job(volume: NDArray[Any], tile: int) -> dict[str, Any]:
    """The `ingest_job` section for a volume (zyx or tzyx) in tiles."""
    t, z, y, x = (1, *volume.shape)[-4:]
    return {
        "ingest_type": "tile",
        "resolution": 0,
        "extent": {"x": [0, x], "y": [0, y], "z": [0, z], "t": [0, t]},
        "tile_size": {"x": tile, "y": tile, "z": 1, "t": 1},
    }


def chunk_job(volume: NDArray[Any], chunk_xyz: _Triple, *, start_zyx: _Triple = (0, 0, 0)) -> dict[str, Any]:
    """The `ingest_job` section for a volume (zyx) in chunks."""
    spans = {axis: [low, high] for axis, low, high in zip("zyx", start_zyx, volume.shape, strict=True)}
    return {
        "ingest_type": "volumetric",
        "resolution": 0,
        "extent": {**spans, "t": [0, 1]},
        "chunk_size": dict(zip("xyz", chunk_xyz, strict=True)),
    }
