"""The moment of a blow: the n-th request of a kind, whichever client makes it, and what becomes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fault.kill_plan import Blow
from tests.fault.proxy import Reset, Tell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.fault.kill_client import Client
    from tests.fault.kill_plan import Plan
    from tests.fault.proxy import Seen


class Moment:
    """Waits on the lines of clients for the request that a plan names, and strikes whoever makes it, once."""

    def __init__(
        self, plan: Plan, strike: Callable[[Client], Awaitable[None]], *, is_drained: Callable[[], bool]
    ) -> None:
        self._plan = plan
        self._strike = strike
        self._is_drained = is_drained
        self._seen: Seen | None = None
        self._so_many = 0
        self._is_past = False

    def wait_on(self, client: Client) -> None:
        """Listen to what this client asks for."""
        stage = self._plan.stage

        async def strike(_: Seen) -> None:
            await self._strike(client)

        client.line.add(self._is_it, Tell("after" if stage.moment == "after" else "before", strike))
        if self._plan.blow is Blow.KILL and stage.moment != "after":
            # The kernel may or may not have sent what a killed process wrote; so that is decided here.
            client.line.add(lambda seen: seen is self._seen, Reset(stage.moment))

    def pass_by(self) -> None:
        """Nobody is struck from now on, if nobody was."""
        self._is_past = True

    def _is_it(self, seen: Seen) -> bool:
        if self._is_past or self._seen is not None or seen.operation != self._plan.stage.operation:
            return False
        if self._plan.stage.drained and not self._is_drained():
            return False
        self._so_many += 1
        if self._so_many == self._plan.occurrence:
            self._seen = seen
        return self._seen is not None
