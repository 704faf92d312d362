"""Large arrays whose memory is used again: fresh pages from the kernel cost more than filling them does."""

from __future__ import annotations

import ctypes
import math
import weakref
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

_LEAST_BYTES = 1 << 20  # below, malloc does as well


class Slabs:
    """Lends arrays, and takes their memory back when they and all views of them are gone.

    At most `keep_bytes` lie idle; what is more goes back to the system. May be used from any thread.
    """

    def __init__(self, *, keep_bytes: int) -> None:
        self._keep_bytes = keep_bytes
        self._idle: deque[NDArray[np.uint8]] = deque()  # one step each, as arrays may end at any moment

    @property
    def idle_bytes(self) -> int:
        """What is kept for the arrays to come."""
        return sum(slab.nbytes for slab in self._idle.copy())

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array in C order, with whatever was in its memory before."""
        size_bytes = math.prod(shape) * np.dtype(dtype).itemsize
        if size_bytes < _LEAST_BYTES:
            return np.empty(shape, dtype)
        slab = self._slab(size_bytes)
        # A view of an array names the owner of the memory as its base, not the array: so what is watched
        # is an owner that lives as long as the last of them, and is not the slab itself.
        owner = (ctypes.c_char * size_bytes).from_buffer(slab.data)
        weakref.finalize(owner, self._take_back, slab).atexit = False
        return np.frombuffer(memoryview(owner), dtype).reshape(shape)

    def close(self) -> None:
        """Keep nothing any more; what is lent stays good."""
        self._keep_bytes = 0
        self._idle.clear()

    def _slab(self, size_bytes: int) -> NDArray[np.uint8]:
        with suppress(IndexError):
            while True:  # one that is too small for what is read now will be so again
                slab = self._idle.pop()
                if slab.nbytes >= size_bytes:
                    return slab
        return np.empty(size_bytes, np.uint8)

    def _take_back(self, slab: NDArray[np.uint8]) -> None:
        if self.idle_bytes + slab.nbytes <= self._keep_bytes:
            self._idle.append(slab)
