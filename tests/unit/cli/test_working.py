"""What is said after the work on a job: nothing that another client has made untrue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boss_ingest.cli.working import Assignment, Known, work_on
from boss_ingest.config.loading import parse_job_file
from boss_ingest.engine import life
from boss_ingest.engine.events import SetAside
from boss_ingest.engine.life import Outcome
from boss_ingest.engine.options import Options
from boss_ingest.engine.stop import Stop
from boss_ingest.engine.upload import Work
from boss_ingest.errors import ExitCode, SourceError
from tests.job_files import tile_job


@pytest.mark.parametrize("code", [ExitCode.SET_ASIDE, ExitCode.COMPLETE])
async def test_what_was_set_aside_is_in_the_queue_unless_the_job_is_complete(
    code: ExitCode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another client may have done it: the Boss completes no job with tasks in its queue."""

    async def ingest(work: Work, boss: object, job_id: int, **_: object) -> Outcome:
        work.tally.set_aside.add(SetAside("key", "m", 3, SourceError("a.png is not there")))
        return Outcome(job_id, code, "")

    monkeypatch.setattr(life, "ingest", ingest)
    job = parse_job_file(tile_job(), source=Path("job.json"))
    nothing: Any = None
    assignment = Assignment(job, nothing, Options(memory_bytes=1, workers=1), "none", None, None)
    assert await work_on(assignment, nothing, 7, Stop(), Known(tmp_path / "report.jsonl")) == code
    said = capsys.readouterr().err
    assert ("still in the queue" in said) == (code is ExitCode.SET_ASIDE)
    assert "a.png is not there" in said


async def test_what_was_left_out_is_told_though_nothing_was_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ingest(work: Work, boss: object, job_id: int, **_: object) -> Outcome:
        work.tally.stored = work.tally.left_out = 2
        return Outcome(job_id, ExitCode.COMPLETE, "")

    monkeypatch.setattr(life, "ingest", ingest)
    nothing: Any = None
    job = parse_job_file(tile_job(), source=Path("job.json"))
    assignment = Assignment(job, nothing, Options(memory_bytes=1, workers=1), "none", None, None)
    await work_on(assignment, nothing, 7, Stop(), Known(tmp_path / "report.jsonl"))
    assert "2 left out, as the job file asks" in capsys.readouterr().err
