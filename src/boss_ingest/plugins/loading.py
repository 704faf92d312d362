"""From the class names of a job file to the code that reads its source."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from boss_ingest.errors import ConfigError, Problem
from boss_ingest.plugins import blame, compat
from boss_ingest.plugins.catalogue import Layout, layouts
from boss_ingest.plugins.chunk import ChunkProcessor
from boss_ingest.plugins.naming import find_class
from boss_ingest.plugins.path import PathProcessor
from boss_ingest.plugins.reader import ChunkReader, TileReader
from boss_ingest.plugins.tile import TileProcessor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from boss_ingest.config.job_file import JobFile

_CONTRACTS = (PathProcessor, TileProcessor, ChunkProcessor, TileReader, ChunkReader)


@dataclass(frozen=True, slots=True)
class LoadedSource:
    """The code a job's data comes through.

    `reader` makes an async reader; without one, classic processors of the two names run in worker
    processes. `files` are those of the user whose code will run: none when all is `builtin`.
    """

    kind: Literal["async", "classic"]
    reader: Callable[[], TileReader | ChunkReader] | None
    path_class: str | None
    processor_class: str
    files: tuple[Path, ...]
    builtin: bool


def load_source(job: JobFile, *, builtin_only: bool = False) -> LoadedSource:
    """Find the classes that `job` names, and import them; makes no instance of any.

    Raises ConfigError when there is no such class, it cannot be imported, or it is of the wrong kind;
    with `builtin_only` also for every class that is not part of boss-ingest.
    """
    volumetric = job.ingest_job.ingest_type == "volumetric"
    section = "client.chunk_processor" if volumetric else "client.tile_processor"
    name = job.processor.class_name
    processor = find_class(name, section=section, builtin_only=builtin_only)
    _check_kind(
        processor,
        name,
        section,
        *((ChunkProcessor, ChunkReader) if volumetric else (TileProcessor, TileReader)),
    )
    known = [each for each in layouts(builtin_only=builtin_only) if each.processor is processor]
    if known:
        known[0].params.read(job.processor.params, section=section)
    if issubclass(processor, TileReader | ChunkReader):
        return _loaded(processor, None, name, None, processor)
    if job.path_processor is None and known and known[0].path is not None:
        path = known[0].path  # the one this processor goes with, when its params may all be left out
        return _loaded(
            processor,
            path,
            name,
            known[0].path_class_name,
            _reader_for(path, known, {}, layouts(builtin_only=builtin_only)),
        )
    if job.path_processor is None:
        raise ConfigError(
            f"{section} {name} needs a client.path_processor beside it",
            hint='for a processor that needs no path: "path_processor": '
            '{"class": "ingestclient.plugins.path.TestPassThroughPathProcessor", "params": {}}',
        )
    path_name = job.path_processor.class_name
    path = find_class(path_name, section="client.path_processor", builtin_only=builtin_only)
    _check_kind(path, path_name, "client.path_processor", PathProcessor)
    reader = _reader_for(path, known, job.path_processor.params, layouts(builtin_only=builtin_only))
    return _loaded(processor, path, name, path_name, reader)


def _reader_for(
    path: type, known: list[Layout], path_params: Mapping[str, Any], every: Iterable[Layout]
) -> type[TileReader] | type[ChunkReader] | None:
    """The async reader that takes the place of the two, where the job file names a pair that has one."""
    declared = next((each.path_params for each in every if each.path is path and each.path_params), None)
    if declared is not None:
        declared.read(path_params, section="client.path_processor")
    return next((layout.reader for layout in known if layout.path is path), None)


def _loaded(
    processor: type,
    path: type | None,
    name: str,
    path_name: str | None,
    reader: Callable[[], TileReader | ChunkReader] | None,
) -> LoadedSource:
    kinds = [kind for kind in (path, processor) if kind is not None]
    foreign = [kind for kind in kinds if not kind.__module__.startswith(f"{compat.OURS}.")]
    files = [Path(file) for kind in foreign if (file := blame.source_file(kind))]
    return LoadedSource(
        kind="async" if reader else "classic",
        reader=reader,
        path_class=path_name,
        processor_class=name,
        files=tuple(dict.fromkeys(files)),
        builtin=not foreign,
    )


def _check_kind(found: type, name: str, section: str, *wanted: type) -> None:
    """Accept a subclass of what is wanted, and strangers with the methods of the classic contract."""
    words = " or ".join(kind.__name__ for kind in wanted)
    if not issubclass(found, wanted):
        other = next((kind.__name__ for kind in _CONTRACTS if issubclass(found, kind)), None)
        if other is not None:
            raise _wrong(section, name, f"is a {other}, here goes a {words}", "name a class of that kind")
        lacking = [each for each in ("setup", "process") if not callable(getattr(found, each, None))]
        if lacking:
            fix = f"let it inherit from {words}"
            raise _wrong(section, name, f"has no method {' and no method '.join(lacking)}", fix)
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise _wrong(section, name, f"does not define {missing}", f"define it in {found.__name__}")


def _wrong(section: str, name: str, rule: str, fix: str) -> ConfigError:
    return ConfigError(f"{name} cannot be used", problems=(Problem(f"{section}.class", name, rule, fix),))
