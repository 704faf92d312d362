"""HDF5 files, opened for reading and kept open: what is in them, and voxels as they are stored; blocks.

For one thread at a time: HDF5 itself does one thing after the other. What it does, it does without the GIL.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boss_ingest.errors import ConfigError, SourceAwayError, SourceError
from boss_ingest.plugins.files import ChangedSourceError, Version, changed
from boss_ingest.plugins.outages import kind_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from boss_ingest.plugins.files import Folder

MOST_FILES = 32
DEFLATE, SHUFFLE = 1, 2
"""The numbers that HDF5 gives to the filters which we can undo ourselves."""

WORTHWHILE_BYTES = 32 << 10
"""Blocks smaller than that are left to HDF5: of 4 kB each, it takes half the time that we would."""

_SYSTEM = re.compile(r"errno = (\d+), error message = '([^']*)'")
_HINTS = {
    "No such file": "check the params that name the file",
    "signature not found": "it is not an HDF5 file, or it was damaged",
    "truncated": "it was cut short: copy or export it again",
    "filter": "it is damaged, or needs a filter that is not there: pip install hdf5plugin has many",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A dataset of a file on this machine; `shown` is what a person calls the file."""

    path: str
    dataset: str
    shown: str

    def __str__(self) -> str:
        return f"{self.shown}:{self.dataset}"


@dataclass(frozen=True, slots=True)
class Stored:
    """What is known of a dataset before its voxels are read.

    `chunks` is the shape of its blocks; None when it has none. `filters` are to be undone in that order, to
    get a block from the bytes of the file; None when only HDF5 itself can. `beside` has the numbers
    of small datasets that were asked for.
    """

    place: Place
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    filters: tuple[int, ...] | None
    fill: Any
    beside: Mapping[str, tuple[int, ...]]
    version: Version  # of the file

    def __str__(self) -> str:
        return str(self.place)


@dataclass(frozen=True, slots=True)
class _Opened:
    file: Any
    version: Version
    datasets: dict[str, Any]
    stored: dict[str, Stored]
    others: dict[str, list[Path]]  # files that datasets take voxels from, one of each folder


class Files:
    """The last few files that were asked for. Of other files that they lead to, those in `folder` are read.

    `cache_bytes` is what HDF5 may keep of decoded blocks, of each dataset.
    """

    def __init__(self, folder: Folder | None, *, cache_bytes: int = 0) -> None:
        try:
            self._h5py: Any = import_module("h5py")
        except ImportError as error:
            raise ConfigError(
                f"reading HDF5 needs h5py: {error}", hint="pip install 'boss-ingest[hdf5]'"
            ) from error
        with suppress(ImportError):
            import_module("hdf5plugin")  # where it is installed, it brings blosc, zstd and other filters
        self._folder = folder
        self._cache_bytes = cache_bytes
        self._opened: OrderedDict[str, _Opened] = OrderedDict()

    def look(self, place: Place, beside: tuple[str, ...] = ()) -> Stored:
        """What the dataset is like. Raises MissingSourceError without the file, SourceError.

        A ChangedSourceError when the file changed since it was opened: the next to ask gets it opened again.
        """
        with self._using(place) as opened:
            if place.dataset not in opened.stored:
                opened.stored[place.dataset] = self._look(opened, place, beside)
        return opened.stored[place.dataset]

    def part(self, stored: Stored, selection: tuple[slice, ...]) -> NDArray[Any]:
        """The voxels of a box inside the dataset, in its axes. Raises SourceError."""
        with self._using(stored.place, stored.version) as opened:
            array: NDArray[Any] = self._dataset(opened, stored.place)[selection]
            self._check_still_there(opened, stored.place)
        return array

    def packed(self, stored: Stored, corners: list[tuple[int, ...]]) -> list[bytes | None] | None:
        """The blocks at these corners as they stand in the file; None for one that was never written.

        None for all when one of them needs other filters than the rest: only HDF5 can read them then.
        """
        found: list[bytes | None] = []
        with self._using(stored.place, stored.version) as opened:
            dataset = self._dataset(opened, stored.place)
            for corner in corners:
                try:
                    skipped_filters, body = dataset.id.read_direct_chunk(corner)
                except RuntimeError as error:
                    if "not allocated" not in str(error):
                        raise
                    found.append(None)
                    continue
                if skipped_filters:
                    return None
                found.append(body)
        return found

    def close(self) -> None:
        """Close all files; safe to repeat."""
        while self._opened:
            self._opened.popitem()[1].file.close()

    @contextmanager
    def _using(self, place: Place, version: Version | None = None) -> Iterator[_Opened]:
        """The open file, of that version; seen to be the same before and after. Raises SourceError."""
        with _naming(place):
            opened = self._file(place)
            if version not in (None, opened.version):
                raise changed(place.shown)
            try:
                try:
                    opened.version.check(place.path, name=place.shown)
                    yield opened
                finally:
                    opened.version.check(opened.file.id.get_vfd_handle(), name=place.shown)
            except (ChangedSourceError, SourceAwayError, OSError) as error:
                if not isinstance(error, OSError) or error.errno:
                    with suppress(OSError, RuntimeError):
                        self._opened.pop(place.path).file.close()
                raise

    def _file(self, place: Place) -> _Opened:
        path = place.path
        if path in self._opened:
            self._opened.move_to_end(path)
            return self._opened[path]
        with _naming(place.shown):
            version = Version.of(path)
            file = self._h5py.File(path, "r", rdcc_nbytes=self._cache_bytes, locking="best-effort")
        self._opened[path] = _Opened(file, version, {}, {}, {})
        if len(self._opened) > MOST_FILES:
            self._opened.popitem(last=False)[1].file.close()
        return self._opened[path]

    def _dataset(self, opened: _Opened, place: Place) -> Any:
        if place.dataset not in opened.datasets:
            try:
                found = opened.file[place.dataset]
            except KeyError as error:
                names = ", ".join(self._names(opened.file)) or "none"
                raise SourceError(
                    f"{place.shown} has no dataset {place.dataset!r}",
                    hint=f"it has {names}: correct the name in the job file",
                ) from error
            if not isinstance(found, self._h5py.Dataset):
                raise SourceError(f"{place} is a group, not a dataset", hint=_named(found))
            opened.others[place.dataset] = self._check_others(found, place)
            opened.datasets[place.dataset] = found
        return opened.datasets[place.dataset]

    def _look(self, opened: _Opened, place: Place, beside: tuple[str, ...]) -> Stored:
        dataset = self._dataset(opened, place)
        if dataset.dtype.kind not in "biuf" or dataset.shape is None:
            raise SourceError(f"{place} holds {dataset.dtype}, not voxels", hint="name another dataset")
        chunks, itemsize = None if dataset.is_virtual else dataset.chunks, dataset.dtype.itemsize
        return Stored(
            place=place,
            shape=dataset.shape,
            dtype=dataset.dtype,
            chunks=chunks,
            filters=self._filters(dataset)
            if chunks and prod(chunks) * itemsize >= WORTHWHILE_BYTES
            else None,
            fill=dataset.fillvalue,
            version=opened.version,
            beside={name: self._numbers(opened, replace(place, dataset=name)) for name in beside},
        )

    def _numbers(self, opened: _Opened, place: Place) -> tuple[int, ...]:
        dataset = self._dataset(opened, place)
        if dataset.dtype.kind not in "iuf" or dataset.size != 2:
            raise SourceError(f"{place} must be two numbers, y and x", hint="name another dataset")
        return tuple(int(number) for number in dataset[()].reshape(-1))

    def _filters(self, dataset: Any) -> tuple[int, ...] | None:
        settings = dataset.id.get_create_plist()
        filters = tuple(settings.get_filter(at)[0] for at in range(settings.get_nfilters()))
        plain = self._h5py.h5t.py_create(dataset.dtype, logical=True) == dataset.id.get_type()
        return filters[::-1] if plain and filters in {(), (DEFLATE,), (SHUFFLE, DEFLATE)} else None

    @staticmethod
    def _check_still_there(opened: _Opened, place: Place) -> None:
        """Raises SourceAwayError when a disk went since the dataset was looked at, and its files with it."""
        for other in opened.others[place.dataset]:
            if not other.is_file():
                raise SourceAwayError(
                    f"{place} takes voxels from {other}, which is no longer there",
                    hint="it was there when the job began: is its disk still mounted?",
                )

    def _check_others(self, dataset: Any, place: Place) -> list[Path]:
        """Look at the other files a dataset takes its voxels from: HDF5 reads those not there as zeros."""
        others = [dataset.file.filename] if dataset.file.filename != place.path else []
        others += [found[0] for found in dataset.external or ()]
        if dataset.is_virtual:
            others += [source.file_name for source in dataset.virtual_sources() if source.file_name != "."]
        one_of_each: dict[Path, Path] = {}
        for other in dict.fromkeys(others):
            candidates = [Path(place.path).parent / other, Path(other)]
            there = next((path for path in candidates if path.is_file()), None)
            if there is None:
                raise SourceAwayError(  # not a missing one: there are the voxels of the others
                    f"{place} takes voxels from {other}, which is not there",
                    hint=f"put it beside {place.shown}",
                )
            if self._folder is not None:
                self._folder.check(str(there))
            one_of_each[there.parent] = there
        return list(one_of_each.values())

    def _names(self, file: Any, most: int = 8) -> list[str]:
        names: list[str] = []

        def visit(name: str, found: Any) -> bool | None:
            if isinstance(found, self._h5py.Dataset):
                names.append(name)
            return len(names) >= most or None

        file.visititems(visit)
        return names


def _named(group: Any) -> str:
    inside = [f"{group.name.rstrip('/')}/{name}" for name in list(group)[:8]]
    return f"name a dataset in it: {', '.join(inside)}" if inside else "it is empty"


@contextmanager
def _naming(where: object) -> Iterator[None]:
    """What h5py raises, as errors that name the file."""
    try:
        yield
    except SourceError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        told = str(error.args[-1] if error.args else error)
        system = _SYSTEM.search(told)
        number = int(system[1]) if system else getattr(error, "errno", None)
        fact = system[2] if system else told
        hint = next((each for word, each in _HINTS.items() if word in told), "")
        raise kind_of(number)(f"{where} cannot be read: {fact}", hint=hint) from error
