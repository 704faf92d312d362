"""Image stacks into the local Boss: the example job files as they are, S3, a path processor of one's own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from tests.contract.moto_server import running_moto, second_opinion
from tests.e2e.layouts import example, example_data, ingest
from tests.volumes import PLUGINS, Source, chunk_job, pattern, tile_job

if TYPE_CHECKING:
    from boss_ingest.local.boss import LocalBoss
    from tests.command import Machine


@pytest.mark.parametrize("name", ["stack-chunks.json", "mosaic-slices.json", "mosaic-grid.json"])
async def test_an_example_runs_on_the_data_made_for_it(name: str, machine: Machine, boss: LocalBoss) -> None:
    data = example_data("stack")
    await asyncio.to_thread(data.make_stack, machine.cwd / "demo-data" / "stack")
    await ingest(example(name, data.volume()), machine, boss)


def stack(kind: str, root_dir: Path | str, extension: str, **params: object) -> dict[str, Any]:
    """The `client` section."""
    names = {"root_dir": str(root_dir), "base_filename": "z<p:3>", "extension": extension}
    return {
        "path_processor": {"class": f"{PLUGINS}.stack.ZindexStackPathProcessor", "params": names},
        f"{kind}_processor": {
            "class": f"{PLUGINS}.stack.ZindexStack{kind.capitalize()}Processor",
            "params": params,
        },
    }


async def test_16_bit_slices_from_s3_as_chunks(machine: Machine, boss: LocalBoss, tmp_path: Path) -> None:
    volume = pattern((18, 530, 600), "uint16")
    with running_moto() as url:
        where = {"filesystem": "s3_copy", "bucket": "lab", "endpoint_url": url}
        client = stack("chunk", "scans/new", "tif", **where)
        s3 = second_opinion("s3", url)
        s3.create_bucket(Bucket="lab")
        for z, image in enumerate(volume):
            Image.fromarray(image).save(tmp_path / "slice.tif", compression="tiff_adobe_deflate")
            s3.upload_file(str(tmp_path / "slice.tif"), "lab", f"scans/new/z{z:03}.tif")
        (machine.directory / "tmp").mkdir()
        machine.env |= {
            "AWS_ACCESS_KEY_ID": "lab",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "TMPDIR": str(machine.directory / "tmp"),
        }
        await ingest(Source(volume, client, chunk_job(volume, (512, 512, 16))), machine, boss)
    assert not list((machine.directory / "tmp").glob("boss-ingest-copies-*"))


OWN = '''
"""A lab whose files are named by hand."""
from ingestclient.plugins.path import PathProcessor


class ByHand(PathProcessor):
    def setup(self, parameters):
        self.folder = parameters["folder"]

    def process(self, x_index, y_index, z_index, t_index=None):
        return f"{self.folder}/{'abc'[z_index]}.png"
'''


async def test_slices_that_a_path_processor_of_ones_own_names(
    machine: Machine, boss: LocalBoss, tmp_path: Path
) -> None:
    volume = pattern((3, 530, 600))
    for name, image in zip("abc", volume, strict=True):
        Image.fromarray(image).save(tmp_path / f"{name}.png")
    (machine.cwd / "by_hand.py").write_text(OWN)
    client = stack("tile", "", "png", images="slices")
    client["path_processor"] = {"class": "by_hand.ByHand", "params": {"folder": str(tmp_path)}}
    await ingest(Source(volume, client, tile_job(volume, 512)), machine, boss)
