"""A disk or server that is away is told from a file that is bad, whoever meets it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from boss_ingest.errors import MissingSourceError, SourceAwayError, SourceError
from boss_ingest.plugins import array_failures, files
from boss_ingest.plugins.files import Folder, was_there
from boss_ingest.plugins.hdf5_files import _naming
from boss_ingest.plugins.outages import kind_of
from boss_ingest.plugins.tiff_files import TiffFiles, Version

if TYPE_CHECKING:
    from pathlib import Path

AWAY = [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENXIO, errno.EMFILE]
OF_THE_FILE = [errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP, errno.EINVAL]


@pytest.mark.parametrize("number", AWAY)
def test_what_network_file_systems_say_when_they_are_away_may_pass(number: int) -> None:
    error = OSError(number, os.strerror(number))
    assert type(files.unreadable("a.png", error)) is SourceAwayError
    for raised in (error, OSError(f"read failed (errno = {number}, error message = '{error.strerror}')")):
        with pytest.raises(SourceAwayError, match=f"a.h5 cannot be read: {error.strerror}"), _naming("a.h5"):
            raise raised
    told = ValueError(f"UNKNOWN: Error reading local file: {error.strerror} [os_error_code='{number}']")
    assert type(array_failures.unreadable("a.zarr", told)) is SourceAwayError


@pytest.mark.parametrize("number", [*OF_THE_FILE, None])
def test_what_is_wrong_with_one_file_does_not(number: int | None) -> None:
    assert kind_of(number) is SourceError


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTDIR])
def test_a_file_that_is_not_there_is_missing_and_as_it_is_with_its_root(number: int) -> None:
    assert kind_of(number) is MissingSourceError


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED"])
def test_a_store_that_does_not_answer_may_pass_and_damage_does_not(code: str) -> None:
    assert type(array_failures.unreadable("s3://b/a", ValueError(f"{code}: no"))) is SourceAwayError
    damaged = ValueError("FAILED_PRECONDITION: Error reading local file: Invalid blosc-compressed data")
    assert type(array_failures.unreadable("a.zarr", damaged)) is SourceError


async def test_without_its_root_a_file_is_away_not_missing(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path / "data"))
    with pytest.raises(SourceAwayError, match="there is no folder"):
        await folder.read(folder.join("a.png"), most_bytes=10)
    (tmp_path / "data").mkdir()
    with pytest.raises(MissingSourceError):
        await folder.read(folder.join("a.png"), most_bytes=10)


def test_what_was_there_when_the_job_began_is_away() -> None:
    with pytest.raises(SourceAwayError, match=r"a\.tif"), was_there():
        raise MissingSourceError("a.tif is not there")


def test_an_open_tiff_that_was_away_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile = pytest.importorskip("tifffile")
    path = str(tmp_path / "a.tif")
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
    opened = TiffFiles()
    with opened.use(path) as first:
        pass
    really = Version.check

    def stale(_version: Version, file: str | int, *, name: str) -> None:
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    monkeypatch.setattr(Version, "check", stale)
    with pytest.raises(SourceAwayError), opened.use(path):
        pytest.fail("its handle is stale")
    monkeypatch.setattr(Version, "check", really)
    with opened.use(path) as second:
        assert second is not first
    opened.close()
