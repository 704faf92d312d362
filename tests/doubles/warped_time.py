"""An event loop whose clock jumps to the next timer when nothing else is left to do: hours pass at once."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

P = ParamSpec("P")

DAY_S = 86400.0


class WarpedLoop(asyncio.SelectorEventLoop):
    """Only for what needs no thread and no socket: it would not wait for either."""

    def __init__(self, *, by_hand: bool = False) -> None:
        super().__init__()
        self._by_hand = by_hand
        self._now_s = 1000.0

    def time(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Let time pass; what is due then happens when the loop next runs."""
        self._now_s += seconds

    def _run_once(self) -> None:
        if not self._by_hand and not self._ready:
            due_s = (timer._when for timer in self._scheduled if not timer._cancelled)
            self._now_s = max(self._now_s, min(due_s, default=self._now_s))
        super()._run_once()


def in_warped_time(test: Callable[P, Coroutine[object, object, None]]) -> Callable[P, None]:
    """Run an async test on a WarpedLoop; it fails when a day there does not end it."""

    async def bounded(*args: P.args, **kwargs: P.kwargs) -> None:
        async with asyncio.timeout(DAY_S):
            await test(*args, **kwargs)

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=WarpedLoop) as runner:
            runner.run(bounded(*args, **kwargs))

    return run
