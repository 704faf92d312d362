"""Where in a plugin an exception came from, in one line for a person."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path


def source_file(kind: type) -> str | None:
    """The file a class is defined in; None when it comes from no file."""
    return getattr(sys.modules.get(kind.__module__), "__file__", None)


def last_line(error: BaseException) -> str:
    """What Python prints last: `KeyError: 'root_dir'`."""
    return traceback.format_exception_only(error)[-1].strip()


def place(error: BaseException, *, file: str | None = None) -> str:
    """`plugin.py:31`: the innermost line in `file`, else the innermost outside Python's import system."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "<frozen" not in frame.filename]
    inside = [frame for frame in frames if file is not None and _same(frame.filename, file)]
    for frame in (inside or frames)[-1:]:
        return f"{frame.filename}:{frame.lineno}"
    return file or "unknown place"


def _same(one: str, other: str) -> bool:
    return Path(one).resolve() == Path(other).resolve()
