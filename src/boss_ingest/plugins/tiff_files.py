"""Open TIFF files, a bounded number of them: pages are looked up, bytes are read; all of it blocks.

Made for threads: files are shared, and one that is in use stays open. Pages are found through the file's own
chain without reading their pixels.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from boss_ingest.errors import ConfigError, SourceAwayError, SourceError
from boss_ingest.plugins.files import ChangedSourceError, Version, unreadable
from boss_ingest.plugins.tiff_page import Page

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_OPEN = 16
_MOST_KNOWN = 1 << 19
"""What is kept of the pages of one file: table entries, of some 100 bytes each."""

_IN_TURN = threading.BoundedSemaphore(2)
_TURN_S = 0.05
"""Many small reads at once fight for the GIL and take longer; those of a slow disk must not wait for that."""


def tifffile() -> Any:
    """The library. Raises ConfigError when it is not installed."""
    try:
        library = import_module("tifffile")
    except ImportError as error:
        raise ConfigError(
            f"reading TIFF pages needs tifffile: {error}", hint="pip install 'boss-ingest[tiff]'"
        ) from error
    logger = logging.getLogger("tifffile")  # what it grumbles about goes to a log that was set up, or nowhere
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return library


class OpenTiff:
    """One open file. `name` is what errors call it. Raises MissingSourceError, SourceError."""

    def __init__(self, path: str, *, name: str = "") -> None:
        library = tifffile()
        self.path = path
        self.name = name or path
        self._lock = threading.RLock()
        self._pages: OrderedDict[int, Page] = OrderedDict()
        self._known = 0
        try:
            self.version = Version.of(path)
            self.tiff = library.TiffFile(path)
        except OSError as error:
            raise unreadable(self.name, error) from error
        except Exception as error:
            raise _damaged(self.name, error) from error
        self._file = self.tiff.filehandle

    def check(self) -> None:
        """Raises ChangedSourceError when it was written to, or another took its place."""
        try:
            self.version.check(self._file.fileno(), name=self.name)
            self.version.check(self.path, name=self.name)
        except OSError as error:
            raise unreadable(self.name, error) from error

    def frame(self, number: int) -> tuple[Page, int | None]:
        """The page with an image, and where its pixels begin when the page has more images than this.

        ImageJ writes one page for all images of a file above 4 GB. Raises SourceError when there is none.
        """
        with self._lock:
            try:
                return self.page(number), None
            except IndexError as error:
                pages = len(self.tiff.pages)
                if pages == 1 and (begin := self._begin_of_run(number)):
                    return self.page(0), begin
                raise SourceError(
                    f"{self.name} has {pages} pages, page {number} (counted from 0) is asked for",
                    hint="correct the extent in ingest_job, or copy the file again if it should have more",
                ) from error

    @property
    def images(self) -> int:
        """How many images the file has, one a page, or all in one. Raises SourceError."""
        with self._lock:
            pages = len(self.tiff.pages)
            run = self._run() if pages == 1 else None
            return pages if run is None else int(run.nbytes // run.keyframe.nbytes)

    def _begin_of_run(self, number: int) -> int | None:
        run = self._run()
        if run is None or number * run.keyframe.nbytes >= run.nbytes:
            return None
        return int(run.dataoffset + number * run.keyframe.nbytes)

    def _run(self) -> Any:
        """The one series of a file with one page for all of its images, or None."""
        series = self.series()
        alone = len(series) == 1 and series[0].is_truncated and series[0].dataoffset
        return series[0] if alone else None

    def page(self, number: int) -> Page:
        """What is needed to read parts of a page. Raises IndexError without one, SourceError for damage."""
        with self._lock:
            if number in self._pages:
                self._pages.move_to_end(number)
                return self._pages[number]
            try:
                page = Page.of(self.tiff.pages.get(number, aspage=True), name=f"{self.name} page {number}")
            except (IndexError, SourceError):
                raise
            except Exception as error:
                raise _damaged(f"{self.name} page {number}", error) from error
            self._pages[number] = page
            self._known += page.weight
            while self._known > _MOST_KNOWN and len(self._pages) > 1:
                self._known -= self._pages.popitem(last=False)[1].weight
            return page

    def series(self) -> list[Any]:
        """The volumes in the file, as tifffile tells them. Raises SourceError."""
        with self._lock:
            try:
                return list(self.tiff.series)
            except Exception as error:
                raise _damaged(self.name, error) from error

    def read(self, offset: int, count: int) -> bytes:
        """Bytes of the file. Raises SourceError when it ends before."""
        try:
            if hasattr(os, "pread"):
                data = os.pread(self._file.fileno(), count, offset)
                while 0 < len(data) < count:  # Linux gives at most 2 GiB at once
                    more = os.pread(self._file.fileno(), count - len(data), offset + len(data))
                    if not more:
                        break
                    data += more
            else:
                with self._lock:
                    self._file.seek(offset)
                    data = self._file.read(count)
        except OSError as error:
            raise unreadable(self.name, error) from error
        if len(data) < count:
            raise self._cut_short(offset + count)
        return data

    def read_rows(self, offset: int, row_bytes: int, part_bytes: int, count: int) -> bytes:
        """The first `part_bytes` of each of `count` rows. Raises SourceError when the file ends before."""
        end = offset + count * row_bytes
        if not hasattr(os, "pread"):
            return b"".join(self.read(at, part_bytes) for at in range(offset, end, row_bytes))
        pread, file = os.pread, self._file.fileno()
        in_turn = _IN_TURN.acquire(timeout=_TURN_S)
        try:
            data = b"".join([pread(file, part_bytes, at) for at in range(offset, end, row_bytes)])
        except OSError as error:
            raise unreadable(self.name, error) from error
        finally:
            if in_turn:
                _IN_TURN.release()
        if len(data) < count * part_bytes:
            raise self._cut_short(end - row_bytes + part_bytes)
        return data

    def _cut_short(self, needed_bytes: int) -> SourceError:
        return SourceError(
            f"{self.name} is cut short: it needs {needed_bytes} bytes, "
            f"the file has {self.version.size_bytes}",
            hint="copy or export the file again",
        )

    def close(self) -> None:
        """Close it; safe to repeat."""
        self.tiff.close()


class TiffFiles:
    """Files that stay open while they are wanted; the least recently used go when there are too many."""

    def __init__(self, most_open: int = MOST_OPEN) -> None:
        self._most_open = most_open
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    @contextmanager
    def use(self, path: str, *, name: str = "") -> Iterator[OpenTiff]:
        """The open file, for as long as the `with` lasts. Raises MissingSourceError, SourceError.

        A ChangedSourceError when it was changed since it was opened, also inside the `with`: the next to ask
        gets it opened again, as after a SourceAwayError.
        """
        with self._lock:
            entry = self._entries.setdefault(path, _Entry())
            self._entries.move_to_end(path)
            entry.users += 1
        try:
            with entry.opening:
                if entry.file is None:
                    entry.file = OpenTiff(path, name=name)
            entry.file.check()
            try:
                yield entry.file
            finally:
                entry.file.check()
        except (ChangedSourceError, SourceAwayError):
            with self._lock:
                self._forget(path, entry)
            raise
        finally:
            with self._lock:
                entry.users -= 1
                if entry.file is None and not entry.users:
                    self._forget(path, entry)
                if entry.forgotten and not entry.users and entry.file is not None:
                    entry.file.close()
                self._trim(self._most_open)

    def close(self) -> None:
        """Close all files, those in use as soon as they no longer are; safe to repeat."""
        with self._lock:
            self._most_open = 0
            self._trim(0)

    def _forget(self, path: str, entry: _Entry) -> None:
        entry.forgotten = True
        if self._entries.get(path) is entry:
            del self._entries[path]

    def _trim(self, most: int) -> None:
        idle = [path for path, entry in self._entries.items() if not entry.users]
        for path in idle[: max(0, len(self._entries) - most)]:
            entry = self._entries.pop(path)
            if entry.file is not None:
                entry.file.close()


class _Entry:
    def __init__(self) -> None:
        self.opening = threading.Lock()
        self.users = 0
        self.forgotten = False
        self.file: OpenTiff | None = None


def _damaged(name: str, error: Exception) -> SourceError:
    if isinstance(error, OSError) and error.errno:
        return unreadable(name, error)
    return SourceError(
        f"{name} is no TIFF that can be read, or is damaged: {error}",
        hint="copy or export the file again",
    )
