"""All layouts that can be read: ours, module by module, and those that other packages add.

A module of ours names what it reads in `LAYOUTS`. Another package adds one by an entry point of the group
`boss_ingest.plugins` that leads to a Layout.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from boss_ingest.errors import ConfigError
from boss_ingest.plugins.params import Param, declared

if TYPE_CHECKING:
    from boss_ingest.plugins.params import Params
    from boss_ingest.plugins.path import PathProcessor
    from boss_ingest.plugins.reader import ChunkReader, TileReader

ENTRY_POINTS = "boss_ingest.plugins"

MODULES = (
    "array",
    "catmaid",
    "cloudvolume",
    "hdf5",
    "intern",
    "multipage_tiff",
    "stack",
    "tiff",
    "zarr",
    "tile",
)
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

    @property
    def class_name(self) -> str:
        """What a job file calls the processor."""
        return f"{self.processor.__module__}.{self.processor.__qualname__}"

    @property
    def path_class_name(self) -> str:
        """What a job file calls the path processor; "" when none is needed."""
        return f"{self.path.__module__}.{self.path.__qualname__}" if self.path else ""

    @property
    def section(self) -> str:
        """Where in `client` the processor goes: tile_processor or chunk_processor."""
        from boss_ingest.plugins.reader import TileReader
        from boss_ingest.plugins.tile import TileProcessor

        tiles = issubclass(self.processor, TileProcessor | TileReader)
        return "tile_processor" if tiles else "chunk_processor"

    @property
    def param_list(self) -> list[Param]:
        """What the processor takes."""
        return declared(self.params)

    @property
    def path_param_list(self) -> list[Param]:
        """What the path processor takes."""
        return declared(self.path_params)

    @property
    def snippet(self) -> str:
        """The processors' part of a job file, with the params that must be given."""
        path = {"path_processor": _written(self.path_class_name, self.path_param_list)} if self.path else {}
        sections = path | {self.section: _written(self.class_name, self.param_list)}
        return "\n".join(json.dumps(sections, indent=2, ensure_ascii=False).split("\n")[1:-1])


@cache
def layouts(*, builtin_only: bool = False) -> tuple[Layout, ...]:
    """Every layout there is, ours first. Raises ConfigError when another package's cannot be loaded.

    With `builtin_only` just ours: no other package is imported.
    """
    return (*_ours(), *(() if builtin_only else _added()))


@cache
def builtin_classes() -> dict[str, type]:
    """Our classes by their names below `boss_ingest.plugins` (those below `ingestclient.plugins` too)."""
    kinds = [kind for layout in _ours() for kind in (layout.path, layout.processor) if kind is not None]
    package = f"{__package__}."
    return {f"{kind.__module__.removeprefix(package)}.{kind.__name__}": kind for kind in kinds}


def _written(class_name: str, params: list[Param]) -> dict[str, object]:
    samples = {"a whole number": 0, "a number": 0.0, "true or false": True, "a list": [], "an object": {}}
    needed = {param.name: samples.get(param.type, "…") for param in params if param.required}
    return {"class": class_name, "params": needed}


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
