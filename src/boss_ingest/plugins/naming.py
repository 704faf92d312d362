"""Find a class by the dotted name in a job file, and tell exactly why where it isn't found."""

from __future__ import annotations

import difflib
import importlib
import os
import sys
from pathlib import Path

from boss_ingest.errors import ConfigError, Problem
from boss_ingest.plugins import blame, compat
from boss_ingest.plugins.catalogue import builtin_classes


def find_class(dotted: str, *, section: str, builtin_only: bool = False) -> type:
    """Import the class `package.module.Class`: ours, or any on PYTHONPATH or in the working directory.

    `section` is where the name stands in the job file. Raises ConfigError: no such class, with the nearest
    there is; or an import that failed, with what failed and in which file. From the first foreign class on,
    `ingestclient.plugins` can be imported in this process.
    """
    module_name, _, class_name = dotted.rpartition(".")
    if not module_name:
        raise _unknown(dotted, section, "must be the dotted name of a class: package.module.Class")
    ours = compat.ours(module_name)
    if ours.startswith(f"{compat.OURS}."):
        return _builtin(dotted, f"{ours.removeprefix(f'{compat.OURS}.')}.{class_name}", section)
    if builtin_only:
        raise _unknown(dotted, section, "is not part of boss-ingest, and only that may run here")
    compat.install()
    if (here := os.getcwd()) not in sys.path:  # noqa: PTH109 - sys.path holds strings
        sys.path.append(here)
    importlib.invalidate_caches()
    module = _imported(module_name, dotted, section)
    found = getattr(module, class_name, None)
    if isinstance(found, type):
        return found
    classes = [name for name, value in vars(module).items() if isinstance(value, type)]
    near = difflib.get_close_matches(class_name, classes, n=1)
    where = getattr(module, "__file__", None) or module_name
    fix = f"did you mean {module_name}.{near[0]}?" if near else f"it defines {', '.join(classes) or 'none'}"
    raise _unknown(dotted, section, f"{where} defines no class {class_name}", fix)


def _builtin(dotted: str, short: str, section: str) -> type:
    known = builtin_classes()
    if short in known:
        return known[short]
    raise _unknown(dotted, section, "there is no such class")


def _imported(module_name: str, dotted: str, section: str) -> object:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            rule = f"there is no module {error.name} on PYTHONPATH or in {Path.cwd()}"
            raise _unknown(dotted, section, rule) from error
        at = blame.place(error)
        fix = f"install {error.name} into the Python environment of boss-ingest"
        if error.name and error.name.partition(".")[0] == "ingestclient":
            fix = (
                "of the original client there is ingestclient.plugins, with path, tile, chunk and the layouts"
            )
        raise _unknown(dotted, section, f"{at} needs {error.name}, which is not there", fix) from error
    except SyntaxError as error:
        rule = f"{error.filename}:{error.lineno} is not valid Python: {error.msg}"
        raise _unknown(dotted, section, rule, "correct it") from error
    except (Exception, SystemExit) as error:
        rule = f"importing {module_name} failed: {blame.last_line(error)} ({blame.place(error)})"
        raise _unknown(dotted, section, rule, "correct it") from error


def _unknown(dotted: str, section: str, rule: str, fix: str = "") -> ConfigError:
    if not fix:
        short = compat.ours(dotted).removeprefix(f"{compat.OURS}.")
        known = builtin_classes()
        near = difflib.get_close_matches(short, known, n=1, cutoff=0.7)
        fix = f"did you mean {compat.THEIRS}.{near[0]}?" if near else f"built in are {', '.join(known)}"
    problem = Problem(f"{section}.class", dotted, rule, fix)
    return ConfigError(f"the plugin {dotted} cannot be loaded", problems=(problem,))
