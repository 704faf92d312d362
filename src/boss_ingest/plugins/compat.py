"""Let user plugins import the classic contract as `ingestclient.plugins.…` and get ours, the same objects.

Nothing of that name is installed: a finder answers for it in this process, once the first user plugin is
about to be loaded. Where the original client is installed, its `plugins` package is covered, the
rest of it is left alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_ROOT = "ingestclient"
THEIRS = "ingestclient.plugins"
OURS = "boss_ingest.plugins"


def install() -> None:
    """Answer for `ingestclient.plugins` from now on, in this process. Safe to repeat."""
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    for name in [name for name in sys.modules if name == THEIRS or name.startswith(f"{THEIRS}.")]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Finder())


def ours(name: str) -> str:
    """The dotted name under which we keep what the original client calls `name`."""
    return OURS + name.removeprefix(THEIRS) if name == THEIRS or name.startswith(f"{THEIRS}.") else name


class _Finder(MetaPathFinder):
    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if fullname == _ROOT and PathFinder.find_spec(_ROOT) is None:
            return ModuleSpec(_ROOT, _Empty(), is_package=True)
        if ours(fullname) == fullname or importlib.util.find_spec(ours(fullname)) is None:
            return None
        return ModuleSpec(fullname, _Alias(), is_package=fullname == THEIRS)


class _Empty(Loader):
    """Makes a package with nothing in it but what the finder answers for."""

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Alias(Loader):
    """Puts our module in the place of the one being loaded, which the import system allows and keeps."""

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = importlib.import_module(ours(module.__name__))
