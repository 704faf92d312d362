"""Job files as anybody may write them: a job, or a ConfigError that can be printed; nothing else."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from boss_ingest.config.loading import load_job_file, parse_job_file
from boss_ingest.config.rules import warnings
from boss_ingest.config.server_form import server_form
from boss_ingest.errors import ConfigError
from tests.fuzz.mutation import fuzz, odd_json, rewritten, spoilt

EXAMPLES = [path.read_bytes() for path in sorted((Path(__file__).parents[2] / "examples").glob("*.json"))]
SOURCE = Path("job.json")


def check_told(error: ConfigError) -> None:
    assert error.problems
    assert len(str(error)) < 20_000
    str(error).encode()


def judge(data: Any) -> None:
    """What the client does with a job file before it asks anybody anything."""
    try:
        job = parse_job_file(data, source=SOURCE)
    except ConfigError as error:
        check_told(error)
    else:
        assert job.ingest_job.task_count > 0
        assert job.ingest_job.cuboid_count > 0
        assert all(text.encode() for text in warnings(job))
        assert job.ingest_job.raw == data["ingest_job"]
        assert b"params" in json.dumps(server_form(job)).encode()


def whole(data: Any) -> bool:
    """Whether it is as the loader lets it through: without half characters."""
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def deep(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@fuzz
@given((rewritten([json.loads(body) for body in EXAMPLES]) | odd_json).filter(whole))
def test_no_json_object_crashes_the_rules(data: Any) -> None:
    if isinstance(data, dict):
        judge(data)


@fuzz
@given(spoilt(EXAMPLES) | st.binary(max_size=200))
@example(b'{"ingest_job": {"resolution": ' + b"9" * 5000 + b"}}")
@example(b'{"ingest_job": ' + deep(300).encode() + b"}")
@example(b'{"ingest_job": ' + deep(100_000).encode() + b"}")
@example(b'{"database": {"collection": "\\ud800"}, "client": "\\ud800"}')
@example(b'{"schema": NaN}')
@example(b"\xef\xbb\xbf\xef\xbb\xbf{}")
def test_no_bytes_crash_the_loader(tmp_path_factory: pytest.TempPathFactory, body: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    path.write_bytes(body)
    try:
        load_job_file(path)
    except ConfigError as error:
        str(error).encode()


def test_a_file_without_end_is_refused_at_once() -> None:
    began = time.process_time()
    with pytest.raises(ConfigError, match="larger than any job file"):
        load_job_file(Path("/dev/zero"))
    assert time.process_time() - began < 10


def test_a_deep_part_of_a_good_job_file_is_refused(tmp_path: Path) -> None:
    good = json.loads(EXAMPLES[0])
    for section in (good["ingest_job"], good["client"], good["client"]["backend"]):
        section["more"] = json.loads(deep(900))
        (tmp_path / "deep.json").write_text(json.dumps(good))
        with pytest.raises(ConfigError, match="nested too deeply"):
            load_job_file(tmp_path / "deep.json")
        del section["more"]


def test_a_job_file_with_twenty_thousand_unknown_keys_is_judged_in_seconds() -> None:
    data = json.loads(EXAMPLES[0])
    for section in (data, data["client"], data["ingest_job"]):
        section |= {f"extentx{number}": number for number in range(20_000)}
    began = time.process_time()
    judge(data)
    assert time.process_time() - began < 20
