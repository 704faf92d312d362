"""What a machine remembers of its jobs, and which Boss a job id alone means."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from boss_ingest.cli.connection import Connection
from boss_ingest.cli.known_job import known_job
from boss_ingest.engine.job_record import JobRecord, recall, remember
from boss_ingest.errors import UsageError

BOSSDB, OTHER = "https://api.bossdb.io", "https://boss.example"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOSS_INGEST_HOME", str(tmp_path / "memory"))
    return tmp_path / "memory"


def record(
    job_id: int = 7, base_url: str = BOSSDB, *, local: str = "", config: str = "/a/job.json"
) -> JobRecord:
    return JobRecord(job_id, base_url, config=config, directory="/a", local=local)


def connection(*, host: str | None = None, local: Path | None = None) -> Connection:
    return Connection(host, None, None, False, None, local)


def test_a_record_comes_back_as_it_was(home: Path) -> None:
    remember(record(), os.environ)
    assert recall(7, os.environ) == [record()]
    assert recall(8, os.environ) == []


def test_jobs_of_one_number_on_several_bosses_are_kept_apart(home: Path) -> None:
    remember(record(), os.environ)
    remember(record(base_url=OTHER), os.environ)
    remember(record(base_url="http://127.0.0.1:4", local="/data/boss"), os.environ)
    assert len(recall(7, os.environ)) == 3
    assert recall(7, os.environ, base_url=OTHER) == [record(base_url=OTHER)]
    assert recall(7, os.environ, local="/data/boss")[0].local == "/data/boss"


def test_a_home_that_cannot_be_written_costs_a_warning_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "memory").write_text("a file")
    remember(record(), {"BOSS_INGEST_HOME": str(tmp_path / "memory")})
    assert "will not remember job 7" in caplog.text


def test_a_record_that_cannot_be_read_hides_no_other(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    remember(record(), os.environ)
    (home / "jobs/7@broken.json").write_text("{")
    (home / "jobs/7@older.json").write_text(json.dumps({"job_id": 7, "something": 1}))
    assert recall(7, os.environ) == [record()]
    assert "7@broken.json" in caplog.text


def test_a_record_holds_no_secret_and_no_parameter(home: Path) -> None:
    remember(record(), os.environ)
    (path,) = (home / "jobs").iterdir()
    assert set(json.loads(path.read_text())) == {
        "job_id", "base_url", "config", "directory", "local", "created"
    }  # fmt: skip


def test_a_job_id_alone_means_the_boss_it_was_made_on(home: Path) -> None:
    remember(record(base_url=OTHER), os.environ)
    there, known = known_job(7, connection())
    assert (there.base_url(), known) == (OTHER, record(base_url=OTHER))


def test_a_job_nobody_remembers_is_on_the_boss_that_is_named_or_bossdb(home: Path) -> None:
    assert known_job(7, connection(host="boss.example"))[0].base_url() == OTHER
    assert known_job(7, connection()) == (connection(), None)
    assert connection().base_url() == BOSSDB


def test_what_the_user_names_wins_over_what_is_remembered(home: Path) -> None:
    remember(record(), os.environ)
    assert known_job(7, connection(host=OTHER)) == (connection(host=OTHER), None)


def test_a_local_job_is_found_in_its_folder_as_long_as_that_is_there(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "boss"
    folder.mkdir()
    remember(record(base_url="http://127.0.0.1:4", local=str(folder)), os.environ)
    assert known_job(7, connection())[0].local == folder
    folder.rmdir()
    assert known_job(7, connection()) == (connection(), None)


def test_two_bosses_with_a_job_of_that_number_need_a_word_from_the_user(home: Path, tmp_path: Path) -> None:
    remember(record(), os.environ)
    remember(record(base_url="http://127.0.0.1:4", local=str(tmp_path), config="/b/job.json"), os.environ)
    with pytest.raises(UsageError) as caught:
        known_job(7, connection())
    assert f"--host {BOSSDB}, --local {tmp_path}" in caught.value.hint
    assert known_job(7, connection(host="api.bossdb.io"))[0].base_url() == BOSSDB
    assert known_job(7, connection(local=tmp_path))[0].local == tmp_path
    assert known_job(7, connection(), config=Path("/b/job.json"))[0].local == tmp_path


def test_no_token_shows_in_what_a_connection_looks_like() -> None:
    assert "t0p" not in repr(Connection(None, None, "t0p", False, None, None))
