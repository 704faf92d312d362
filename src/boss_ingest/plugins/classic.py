"""Runs a pair of classic processors: one instance of each, in a worker process, task after task.

Whatever they do, out comes a path with bytes or an array (zyx), or an error that names the class and the
place in its code. Which parameters they get, and what they may return: docs/protocol.md, "Plugins".
"""

from __future__ import annotations

import copy
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boss_ingest.errors import (
    ConfigError,
    IngestError,
    MissingSourceError,
    PluginError,
    of_source,
)
from boss_ingest.plugins import blame
from boss_ingest.plugins.chunk import TZYX_ORDER, XYZ_ORDER, XYZT_ORDER, ZYX_ORDER
from boss_ingest.plugins.naming import find_class
from boss_ingest.plugins.outages import kind_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from boss_ingest.plugins.reader import Setup, TileIndex

_ORDERS = {XYZ_ORDER: "XYZ", ZYX_ORDER: "ZYX", XYZT_ORDER: "XYZT", TZYX_ORDER: "TZYX"}


class ClassicTiles:
    """A path processor and a tile processor. Raises ConfigError when they cannot be found or set up."""

    def __init__(self, path_class: str, processor_class: str, setup: Setup) -> None:
        self._processor = _Guarded(processor_class, setup.params, setup.ingest_job, "client.tile_processor")
        self._path = _Guarded(path_class, setup.path_params, setup.ingest_job, "client.path_processor")

    def read(self, index: TileIndex) -> tuple[str, bytes]:
        """The path and the image file.

        Raises SourceError for what the system could not read, PluginError for the plugin's own faults.
        """
        indices = (index.x, index.y, index.z, index.t)
        path = self._path.path(indices)
        with of_source(path):
            return path, self._processor.run(path, indices, _body)


class ClassicChunks:
    """A path processor and a chunk processor. Raises ConfigError when they cannot be found or set up."""

    def __init__(self, path_class: str, processor_class: str, setup: Setup) -> None:
        self._processor = _Guarded(processor_class, setup.params, setup.ingest_job, "client.chunk_processor")
        self._path = _Guarded(path_class, setup.path_params, setup.ingest_job, "client.path_processor")

    def read(self, x: int, y: int, z: int) -> tuple[str, NDArray[Any]]:
        """The path and the voxels (zyx), C-contiguous, for absolute chunk indices.

        Raises SourceError for what the system could not read, PluginError for the plugin's own faults.
        """
        path = self._path.path((x, y, z, 0))
        with of_source(path):
            return path, self._processor.run(path, (x, y, z), _voxels)


class _WrongResult(Exception):  # noqa: N818 - never leaves this module
    """What the plugin returned is not what the contract says; the text tells how."""


class _Guarded:
    """One instance of a plugin, with a private copy of its parameters; no exception escapes unnamed."""

    def __init__(
        self, name: str, params: Mapping[str, Any], ingest_job: Mapping[str, Any], section: str
    ) -> None:
        self._name = name
        kind = find_class(name, section=section)
        self._file = blame.source_file(kind)
        parameters = {**copy.deepcopy(dict(params)), "ingest_job": copy.deepcopy(dict(ingest_job))}
        try:
            self._instance: Any = kind()
            self._instance.setup(parameters)
        except IngestError:
            raise
        except (Exception, SystemExit) as error:
            raise ConfigError(
                f"{section} {name} cannot be set up: {self._told(error)}",
                hint=f"check {section}.params in the job file, and the plugin",
            ) from error

    def path(self, indices: tuple[int, ...]) -> str:
        path: str = self.run(None, indices, _path)
        return path

    def run(self, path: str | None, indices: tuple[int, ...], take: Any) -> Any:
        """Call `process` with the path, if there is one, and the indices; `take` the result."""
        args = indices if path is None else (path, *indices)
        call = f"{self._name}.process({', '.join(map(repr, args))})"
        try:
            result = self._instance.process(*args)
            taken = take(result)
        except IngestError:
            raise
        except _WrongResult as error:
            hint = f"correct {self._file or self._name}"
            raise PluginError(f"{call} returned {error}", hint=hint) from error
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            kind = MissingSourceError if missing else kind_of(error.errno)
            raise kind(
                f"{error.filename or path or call} cannot be read: {error.strerror or error}",
                hint=f"{self._name} tried to, in {blame.place(error, file=self._file)}",
            ) from error
        except (Exception, SystemExit) as error:
            raise PluginError(f"{call} failed: {self._told(error)}") from error
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            del result  # which closes a file, unless the plugin keeps it: then it is the plugin's
        return taken

    def _told(self, error: BaseException) -> str:
        return f"{blame.last_line(error)} ({blame.place(error, file=self._file)})"


def _path(result: object) -> str:
    if result is None:
        return ""
    if isinstance(result, str | os.PathLike):
        return str(os.fspath(result))
    raise _WrongResult(f"a {type(result).__name__}, a path processor returns a string")


def _body(result: object) -> bytes:
    """The bytes behind what a tile processor returned: a handle, a path, or the bytes themselves."""
    if isinstance(result, bytes | bytearray | memoryview):
        return bytes(result) if not isinstance(result, bytes) else result
    if isinstance(result, str | os.PathLike):
        return Path(result).read_bytes()
    if not hasattr(result, "read"):
        raise _WrongResult(f"a {type(result).__name__}, a tile processor returns an open binary file")
    if getattr(result, "closed", False):
        raise _WrongResult("a closed file; it is read after `process` has returned it")
    if hasattr(result, "seek") and getattr(result, "seekable", lambda: True)():
        result.seek(0)
    body = result.read()
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    if hasattr(result, "close"):
        result.close()
    raise _WrongResult(f'a file that reads as {type(body).__name__}: open it in mode "rb"')


def _voxels(result: object) -> NDArray[Any]:
    """The voxels (zyx) of what a chunk processor returned: an array and the order of its axes."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise _WrongResult(f"a {type(result).__name__}, a chunk processor returns (array, order)")
    array, order = result
    if isinstance(array, np.ma.MaskedArray) or not hasattr(array, "__array__"):
        raise _WrongResult(f"a {type(array).__name__}, a chunk processor returns a numpy array first")
    array = np.asarray(array)
    if order not in _ORDERS or isinstance(order, bool):
        raise _WrongResult(f"the order {order!r}, one of XYZ_ORDER, ZYX_ORDER, XYZT_ORDER, TZYX_ORDER is due")
    axes = _ORDERS[order]
    if array.ndim != len(axes):
        raise _WrongResult(f"an array of shape {array.shape} as {axes}, which has {len(axes)} axes")
    if "T" in axes:
        at = axes.index("T")
        if array.shape[at] != 1:
            raise _WrongResult(f"{array.shape[at]} time samples or channels in {axes}, a chunk has one")
        array = array[(slice(None),) * at + (0,)]
    return np.ascontiguousarray(array if axes in ("ZYX", "TZYX") else array.transpose(2, 1, 0))
