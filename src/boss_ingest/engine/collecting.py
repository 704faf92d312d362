"""How often garbage is looked for while tiles are uploaded: seldom, as next to none comes about.

A task's objects die by themselves when it ends. But with 64 tasks in work their number goes up and down by
thousands, and Python looks through the youngest whenever there are 700 more: a sixth of all CPU.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MORE_OBJECTS = 10_000


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Until the block ends, look for garbage only when there are so many more objects."""
    before = gc.get_threshold()
    gc.set_threshold(_MORE_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
