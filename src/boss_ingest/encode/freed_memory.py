"""Memory that is freed stays with the process for what comes next, as all tasks of a job are alike.

By default glibc gives large blocks, and much of the small, back to the kernel at once, and takes fresh pages
for the next: to have those zeroed and mapped costs more than to decode a tile into them.
"""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_BYTES = 32 << 20  # the most that glibc takes; larger blocks are mapped and unmapped each time
_TRIM_BYTES = 256 << 20
_AMPLE_BYTES = 512 << 20  # with less it is memory that counts, not time


def keep_freed_memory(may_use_bytes: int = _AMPLE_BYTES) -> None:
    """Tell glibc so, for all threads of this process; elsewhere, or where memory is short, nothing is done.

    What lies idle is then up to some 150 MiB more, in the many arenas of the threads.
    """
    if may_use_bytes < _AMPLE_BYTES or not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)
