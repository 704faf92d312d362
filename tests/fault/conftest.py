"""A ground to break things on, an engine whose waits are short, and small sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.command import Machine
from tests.fault.ground import Ground, open_ground
from tests.fault.waits import shorten_waits
from tests.volumes import Source, pattern, slices_source, zarr_source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TILES = 4


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_waits(monkeypatch)


@pytest.fixture
async def ground(tmp_path: Path) -> AsyncIterator[Ground]:
    async with open_ground(tmp_path) as opened:
        yield opened


@pytest.fixture
async def machine(ground: Ground, tmp_path: Path) -> AsyncIterator[Machine]:
    """A computer whose user may use the Boss."""
    async with Machine(tmp_path / "machine", ground.boss.token) as one:
        yield one


@pytest.fixture
def slices(tmp_path: Path) -> Source:
    """Four tiles of 512 × 512, one a slice, in a folder of this test's own."""
    return slices_source(tmp_path / "slices", pattern((TILES, 512, 512)), 512)


@pytest.fixture
def volume(tmp_path: Path) -> Source:
    """One chunk of four cuboids."""
    return zarr_source(tmp_path / "volume.zarr", pattern((32, 512, 1024)), (1024, 512, 32))


@pytest.fixture
async def tile_job(slices: Source, ground: Ground, tmp_path: Path) -> Path:
    """The job file of `slices`, its channel made."""
    await slices.make_channel(ground.boss)
    return slices.write_job(tmp_path / "tiles.json", ground.boss)


@pytest.fixture
async def chunk_job(volume: Source, ground: Ground, tmp_path: Path) -> Path:
    """The job file of `volume`, its channel made."""
    await volume.make_channel(ground.boss)
    return volume.write_job(tmp_path / "chunks.json", ground.boss)
