"""All layouts that can be read: ours, module by module, and those that other packages add.

A module of ours names what it reads in `LAYOUTS`. Another package adds one by an entry point of the group
`boss_ingest.plugins` that leads to a Layout.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from boss_ingest.errors import ConfigError

if TYPE_CHECKING:
    from boss_ingest.plugins.params import Params
    from boss_ingest.plugins.path import PathProcessor
    from boss_ingest.plugins.reader import ChunkReader, TileReader

ENTRY_POINTS = "boss_ingest.plugins"

MODULES = ("stack", "zarr", "tile")
"""The modules of this package that have LAYOUTS; none imports its format's library at its top."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One way a lab keeps its volume, and the code that reads it.

    `processor` is a classic tile or chunk processor or an async reader. With `path` beside it, `reader` takes
    the place of the two when a job file names just them. A reader alone has no `path`.
    """

    name: str  # such as hdf5.Hdf5SliceTileProcessor
    reads: str  # what it reads and from where, in a line
    processor: type
    params: type[Params]
    path: type[PathProcessor] | None = None
    path_params: type[Params] | None = None
    reader: type[TileReader] | type[ChunkReader] | None = None
    extra: str = ""  # what to install: boss-ingest[extra]
    example: str = ""  # a job file under examples/


@cache
def layouts() -> tuple[Layout, ...]:
    """Every layout there is, ours first. Raises ConfigError when another package's cannot be loaded."""
    return (*_ours(), *_added())


@cache
def builtin_classes() -> dict[str, type]:
    """Our classes by their names below `boss_ingest.plugins` (those below `ingestclient.plugins` too)."""
    kinds = [kind for layout in _ours() for kind in (layout.path, layout.processor) if kind is not None]
    package = f"{__package__}."
    return {f"{kind.__module__.removeprefix(package)}.{kind.__name__}": kind for kind in kinds}


def _ours() -> Iterator[Layout]:
    for module in MODULES:
        yield from importlib.import_module(f"boss_ingest.plugins.{module}").LAYOUTS


def _added() -> Iterator[Layout]:
    for found in entry_points(group=ENTRY_POINTS):
        try:
            layout = found.load()
        except Exception as error:
            raise ConfigError(
                f"the plugin {found.name} of {found.dist.name if found.dist else 'a package'} "
                f"cannot be loaded: {type(error).__name__}: {error}",
                hint="mend or uninstall that package",
            ) from error
        if not isinstance(layout, Layout):
            raise ConfigError(
                f"the entry point {found.value} leads to a {type(layout).__name__}, "
                "it must be a boss_ingest.plugins.catalogue.Layout"
            )
        yield layout
