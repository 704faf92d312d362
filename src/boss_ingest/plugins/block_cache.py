"""Decoded blocks, kept for the tasks that share them: each is loaded once, and bytes are bounded."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from numpy.typing import NDArray


class BlockCache:
    """Least recently used arrays go first when there are more than `most_bytes` of them.

    Readers that ask for the same block at the same time wait for one load. A load that fails is told to
    all who wait for it, and tried again by the next who asks. Arrays are shared: they are made read-only.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._used_bytes = 0
        self._blocks: OrderedDict[Hashable, NDArray[Any]] = OrderedDict()
        self._loading: dict[Hashable, asyncio.Task[NDArray[Any]]] = {}

    @property
    def used_bytes(self) -> int:
        """What the blocks that are kept take."""
        return self._used_bytes

    async def get(self, key: Hashable, load: Callable[[], Awaitable[NDArray[Any]]]) -> NDArray[Any]:
        """The block of that key, loaded when it is not there. Raises what `load` raises."""
        if key in self._blocks:
            self._blocks.move_to_end(key)
            return self._blocks[key]
        if key not in self._loading:
            self._loading[key] = asyncio.create_task(self._load(key, load))
        return await asyncio.shield(self._loading[key])

    async def close(self) -> None:
        """Let go of everything, also of what is being loaded."""
        pending = list(self._loading.values())
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        self._blocks.clear()
        self._used_bytes = 0

    async def _load(self, key: Hashable, load: Callable[[], Awaitable[NDArray[Any]]]) -> NDArray[Any]:
        try:
            block = await load()
        finally:
            del self._loading[key]
        block.flags.writeable = False
        self._blocks[key] = block
        self._used_bytes += block.nbytes
        while self._used_bytes > self._most_bytes and len(self._blocks) > 1:
            self._used_bytes -= self._blocks.popitem(last=False)[1].nbytes
        return block
