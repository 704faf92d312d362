"""What the end-to-end tests share: a quick local Boss, a computer for the command, and two small volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from boss_ingest.local.boss import LocalBoss
from boss_ingest.local.settings import Settings
from tests.command import Machine
from tests.volumes import Source, pattern, slices_source, zarr_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def boss(tmp_path: Path) -> AsyncIterator[LocalBoss]:
    """A Boss in this process, so that a test can look inside and break things."""
    async with LocalBoss(Settings(dir=tmp_path / "boss", populate_s=0.0, quiet_period_s=0.02)) as running:
        yield running


@pytest.fixture
async def machine(boss: LocalBoss, tmp_path: Path) -> AsyncIterator[Machine]:
    """A computer whose user may use the Boss."""
    async with Machine(tmp_path / "machine", boss.token) as one:
        yield one


@pytest.fixture(scope="session")
def slices(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """72 tiles of 512 × 512, less at every edge."""
    folder = tmp_path_factory.mktemp("source") / "slices"
    return slices_source(folder, pattern((18, 600, 700)), 512)


@pytest.fixture(scope="session")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """8 chunks, less at every edge; the extent starts in the middle of a chunk on two axes."""
    folder = tmp_path_factory.mktemp("source") / "volume.zarr"
    return zarr_source(folder, pattern((114, 600, 700)), (1024, 512, 32), start_zyx=(16, 0, 512))


@pytest.fixture
async def tile_job(slices: Source, boss: LocalBoss, machine: Machine) -> Path:
    """The job file of `slices`, its channel made."""
    await slices.make_channel(boss)
    return slices.write_job(machine.cwd / "tiles.json", boss)


@pytest.fixture
async def chunk_job(volume: Source, boss: LocalBoss, machine: Machine) -> Path:
    """The job file of `volume`, its channel made."""
    await volume.make_channel(boss)
    return volume.write_job(machine.cwd / "chunks.json", boss)
