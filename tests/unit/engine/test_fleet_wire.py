"""What parent and children say to each other: whole through a pipe, and with no secret that shows."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from boss_ingest.aws.keys import Keys
from boss_ingest.boss.jobs import Job, JobState, Joined
from boss_ingest.config.job_file import JobFile
from boss_ingest.encode.codec import Codec
from boss_ingest.engine import events
from boss_ingest.engine import fleet_wire as wire
from boss_ingest.engine.options import Options
from boss_ingest.engine.pipeline import End
from boss_ingest.engine.siblings import Siblings
from boss_ingest.engine.tally import Tally
from boss_ingest.engine.uploader import Access
from boss_ingest.errors import CredentialsError, MissingSourceError, PluginError, SourceError, ThrottledError
from tests.job_files import tile_job, volumetric_job, write

if TYPE_CHECKING:
    from pathlib import Path


def begin(folder: Path, job: dict[str, object]) -> wire.Begin:
    return wire.Begin(
        JobFile.read(job, source=folder / "job.json"),
        builtin_only=False,
        options=Options(workers=1, memory_bytes=5, codec=Codec("zstd", 3, "bit")),
        joined=Joined(Job(7, "c", "e", "ch", JobState.UPLOADING, "tile"), settings={"resource": {"a": 1}}),
        access=Access(folder / "ca.pem", allow_http=False),
        keys=Keys("canary access", SecretStr("canary secret"), SecretStr("canary token")),
        siblings=Siblings(1, 2),
        log_level=10,
        wanted=frozenset({"key"}),
        set_aside=("m1", "m2"),
    )


@pytest.mark.parametrize("make", [tile_job, volumetric_job])
def test_what_a_child_begins_with_comes_through_whole(tmp_path: Path, make: object) -> None:
    sent = begin(tmp_path, make())  # type: ignore[operator]  # one of the two above
    assert sent.job.ingest_job.extent
    pipe = io.BytesIO(wire.pack(sent) + wire.pack(wire.Run()))
    read = wire.read(pipe)
    assert isinstance(read, wire.Begin)
    assert read == sent
    assert read.job.source == tmp_path / "job.json"
    assert read.job.ingest_job.raw == sent.job.ingest_job.raw
    assert read.keys.secret_key.get_secret_value() == "canary secret"
    assert wire.read(pipe) == wire.Run()
    with pytest.raises(EOFError):
        wire.read(pipe)


def test_no_secret_shows_in_what_is_said(tmp_path: Path) -> None:
    job = write(tile_job(), "client.tile_processor.params", {"token": "canary param"})
    for message in (begin(tmp_path, job), wire.NewKeys(begin(tmp_path, job).keys)):
        assert "canary" not in f"{message!r} {message}"


async def test_what_a_child_says_comes_through_in_order() -> None:
    error = ThrottledError("slow down", hint="wait", code="SlowDown", http_status=503, retry_after_s=2.0)
    told = (events.Retrying("S3", error, 0.5), events.Converted("key", "m1"))
    sent = [
        wire.Ready(),
        wire.Progress(Tally(stored=3).counts, told, wire.Left(4, 5), 6.0),
        wire.Refused(CredentialsError("expired", code="ExpiredToken")),
        wire.Said("boss_ingest.engine", 30, "a line"),
        wire.Ended(End.SEARCHED),
    ]
    pipe = asyncio.StreamReader()
    for message in sent:
        pipe.feed_data(wire.pack(message))
    pipe.feed_eof()
    read = [await wire.hear(pipe) for _ in sent]
    assert [type(message) for message in read] == [type(message) for message in sent]
    assert read[4] == sent[4]
    progress = read[1]
    assert isinstance(progress, wire.Progress)
    assert (progress.counts, progress.left, progress.set_aside_back_s) == (
        sent[1].counts,
        wire.Left(4, 5),
        6.0,
    )
    (retrying, converted) = progress.events
    assert isinstance(retrying, events.Retrying)
    assert vars(retrying.error) == vars(error)
    assert converted == told[1]
    with pytest.raises(EOFError):
        await wire.hear(pipe)


class LabError(MissingSourceError):
    """Of a plugin that the parent may never have imported."""

    def __init__(self, scanner: object) -> None:
        super().__init__("the scanner is off", hint="switch it on")
        self.scanner = scanner
        self.source = "scanner 3"


def test_an_error_of_a_class_of_the_users_comes_over_as_the_one_of_ours_that_it_is() -> None:
    error = wire.portable(LabError(lambda: None))
    assert type(error) is MissingSourceError
    assert (error.what, error.hint, error.source) == ("the scanner is off", "switch it on", "scanner 3")


@pytest.mark.parametrize("error", [SourceError("truncated"), PluginError("it hung"), ThrottledError("slow")])
def test_an_error_of_ours_stays_as_it_is(error: SourceError) -> None:
    assert wire.portable(error) is error


def test_counts_of_several_processes_add_up() -> None:
    both, one, two = Tally(), Tally(stored=3, in_work=2), Tally(stored=1, objects=7)
    both.add(one.counts)
    both.add(two.counts)
    before = one.counts
    one.stored, one.in_work = 5, 0
    both.add(one.counts, since=before)
    assert (both.stored, both.objects, both.in_work) == (6, 7, 0)
