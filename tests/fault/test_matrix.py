"""Some telling rows of the matrix, and that its judges see what is wrong. All of it: `make faults`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from boss_ingest.engine.paths import ChunkPath, TilePath
from tests.fault import matrix, matrix_rig
from tests.fault.__main__ import main
from tests.fault.matrix_case import Case, nothing
from tests.fault.matrix_rig import KINDS, keep_sources_in, short_patience
from tests.fault.matrix_run import CASES, run_row
from tests.fault.table import Row, markdown, report

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from boss_ingest.aws.queue import Lease
    from tests.fault.matrix_rig import Kind

TELLING: list[tuple[str, Kind]] = [
    ("no fault", "tile"),
    ("no fault", "volumetric"),
    ("everywhere: resets, pages and latency at once", "volumetric"),
    ("S3: some objects are refused for good", "volumetric"),
    ("S3: a bit flips in the body", "tile"),
    ("S3: wrong ETag", "volumetric"),
    ("SQS: half of a batch failed, it is said", "tile"),
    ("SQS: duplicates out of order", "volumetric"),
    ("SQS: leases end while the work runs", "tile"),
    ("keys: ExpiredToken in the middle", "volumetric"),
    ("completion is stuck in COMPLETING", "tile"),
    ("completion goes back to UPLOADING, tasks come again", "tile"),
    ("cancelled by someone else", "tile"),
    ("queues deleted", "volumetric"),
]


@pytest.fixture(scope="module", autouse=True)
def sources(tmp_path_factory: pytest.TempPathFactory) -> None:
    keep_sources_in(tmp_path_factory.mktemp("matrix"))


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(matrix_rig, "ANSWER_LIMIT_S", 30.0)  # no row here hangs, but the machine may
    with short_patience():
        yield


@pytest.mark.parametrize(("name", "kind"), TELLING)
async def test_nothing_is_lost(name: str, kind: Kind) -> None:
    result = await run_row(CASES[name], kind, seed=1)
    assert result.wrong == ""
    assert result.tasks == 12


@pytest.mark.parametrize("kind", KINDS)
async def test_a_client_that_deletes_what_it_has_not_stored_is_found_out(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ChunkPath if kind == "volumetric" else TilePath
    store, stored = path.store, 0

    async def forgetful(self: ChunkPath, lease: Lease, **told: Any) -> None:
        nonlocal stored
        stored += 1
        if stored != 5:
            await store(self, lease, **told)

    monkeypatch.setattr(path, "store", forgetful)
    # A lost tile keeps the Boss from ever completing: it asks for the tile again, which is stored then.
    result = await run_row(Case(name="forgetful", arm=nothing, happened=lambda _: True), kind, seed=1)
    assert "deleted but not stored" in result.wrong
    assert (result.lost_voxels > 0) == (kind == "volumetric")


async def test_a_run_that_ends_in_another_way_than_it_must_is_a_failure() -> None:
    case = Case(name="no end", arm=nothing, happened=lambda _: True, ends=(7,))
    assert "ended with 0, not (7,)" in (await run_row(case, "tile", seed=1)).wrong


async def test_a_fault_that_never_happens_is_a_failure() -> None:
    assert (await run_row(Case(name="idle", arm=nothing), "tile", seed=1)).wrong == "the fault never happened"


def test_the_command_runs_a_part_and_fails_when_a_row_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(arguments: Namespace) -> list[Row]:
        return [Row(arguments.only, runs=1, wrong_voxels=arguments.seeds)]

    monkeypatch.setattr(matrix, "run", run)
    assert main(["matrix", "--only", "some", "--seeds", "0"]) == 0
    assert main(["matrix", "--only", "some", "--seeds", "2"]) == 1
    assert "| some | 1 | 0 | 0 | 2 |" in capsys.readouterr().out


def test_the_table_adds_up_and_tells_what_failed() -> None:
    rows = [Row("a|b", 2, 24, seconds=1.5), Row("c", 1, 12, lost_voxels=3, note="FAILED 1: why\nand how")]
    assert [row.is_good for row in rows] == [True, False]
    lines = markdown(rows).splitlines()
    assert lines[2] == "| a¦b | 2 | 24 | 0 | 0 | 0 | 1.5 |  |"
    assert lines[3].endswith("| FAILED 1: why and how |")
    assert lines[4] == "| **all** | 3 | 36 | 3 | 0 | 0 | 1.5 | 1 rows failed |"
    assert "`make faults` took 12 s" in report(rows, command="make faults", seconds=12.0)
