"""Twenty real sections of nervous tissue, as tiles from their files and as a volume from a Zarr copy."""

from pathlib import Path

import numpy as np
from PIL import Image

from boss_ingest.local.boss import LocalBoss
from tests.command import Machine
from tests.real_data import VNC_STACK, needs_vnc_stack
from tests.volumes import PLUGINS, Source, tile_job, zarr_source

pytestmark = needs_vnc_stack


def sections() -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(VNC_STACK.glob("*.tif"))])


async def test_real_sections_come_back_as_they_are(machine: Machine, boss: LocalBoss, tmp_path: Path) -> None:
    volume = sections()
    client = {
        "path_processor": {
            "class": f"{PLUGINS}.stack.ZindexStackPathProcessor",
            "params": {"root_dir": str(VNC_STACK), "base_filename": "<p:2>", "extension": "tif"},
        },
        "tile_processor": {
            "class": f"{PLUGINS}.stack.ZindexStackTileProcessor",
            "params": {"extension": "tif", "filesystem": "local"},
        },
    }
    sources = {
        "tiles": Source(volume, client, tile_job(volume, 1024)),
        "cuboids": zarr_source(tmp_path / "vnc.zarr", volume, (1024, 1024, 16)),
    }
    said = {}
    for channel, source in sources.items():
        await source.make_channel(boss, channel)
        job = source.write_job(machine.cwd / f"{channel}.json", boss, channel)
        ended = await machine.run("run", job, "--yes")
        assert ended.code == 0, ended.all
        await source.assert_stored(boss, channel)
        said[channel] = ended.all
    assert "20 tiles byte for byte as they were" in said["tiles"]
