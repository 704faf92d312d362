"""Scripted faults: what goes wrong, when, how often; and a count of what was asked of the local Boss.

    boss.faults.add("s3.PutObject", Http(503, "SlowDown"), match=lambda call: call.key == key, times=2)

Operations are named `rest.<name>` (`rest.join`, `rest.create`, `rest.complete` …), `sqs.<Action>` and
`s3.<Action>` as AWS calls them, and, for what happens inside, `server.tile_uploaded`,
`server.tile_ingest`, `server.cuboid_import` and `server.credentials`, which know only `Lose`, `Delay`
and `Hold`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as a fault's `match` sees it; a field that does not apply is empty or 0."""

    operation: str
    method: str = ""
    path: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    bucket: str = ""
    key: str = ""
    queue: str = ""
    job_id: int = 0
    params: Mapping[str, Any] = field(default_factory=dict)  # the JSON body of an SQS or Boss request


@dataclass(frozen=True, slots=True)
class Http:
    """Answer with this status and error code, in the form of the service; the request has no effect."""

    status: int
    code: str | int = "InternalError"
    message: str = "injected by a test"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reset:
    """Cut the connection: before a request is looked at, while its body arrives, or after it took effect."""

    when: Literal["before", "during", "after"] = "before"


@dataclass(frozen=True, slots=True)
class Delay:
    """Answer truthfully, but later."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Garbage:
    """Answer with this instead; the request has no effect."""

    body: bytes = b"<html><body>504 Gateway Time-out</body></html>"
    status: int = 200
    content_type: str = "text/html"


@dataclass(frozen=True, slots=True)
class Cut:
    """Let the request take effect, but send only a part of the answer before the connection ends."""

    sent_bytes: int = 10


@dataclass(frozen=True, slots=True)
class Lose:
    """Something inside the Boss does not happen, and nobody is told."""


class Hold:
    """Stop the request until the test lets it go on.

    `await hold.arrived.wait()` returns once a request is stopped; `hold.release()` lets it and all later
    ones go.
    """

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self._released = asyncio.Event()

    def release(self) -> None:
        """Let go of whatever is held."""
        self._released.set()

    async def wait(self) -> None:
        """Be held."""
        self.arrived.set()
        await self._released.wait()


Fault = Http | Reset | Delay | Garbage | Cut | Lose | Hold


@dataclass(slots=True)
class _Script:
    operation: str
    fault: Fault
    match: Callable[[Call], bool] | None
    left: int | None
    after: int

    def fits(self, call: Call) -> bool:
        return self.operation == call.operation and (self.match is None or self.match(call))


class Faults:
    """The faults that are still to happen, and how often each operation was called so far."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._scripts: list[_Script] = []

    def add(
        self,
        operation: str,
        fault: Fault,
        *,
        match: Callable[[Call], bool] | None = None,
        times: int | None = 1,
        after: int = 0,
    ) -> None:
        """Let `fault` happen to the next `times` matching calls (None: all), after leaving `after` alone."""
        self._scripts.append(_Script(operation, fault, match, times, after))

    def clear(self) -> None:
        """Everything works again; what is held is let go."""
        for script in self._scripts:
            if isinstance(script.fault, Hold):
                script.fault.release()
        self._scripts.clear()

    def take(self, call: Call) -> Fault | None:
        """Count a call, and return the fault that happens to it: the first added that matches."""
        self.calls[call.operation] += 1
        for script in self._scripts:
            if not script.fits(call):
                continue
            if script.after > 0:
                script.after -= 1
                continue
            if script.left is not None:
                script.left -= 1
                if script.left <= 0:
                    self._scripts.remove(script)
            return script.fault
        return None

    async def lost(self, operation: str, *, job_id: int, key: str = "") -> bool:
        """For what happens inside: wait if it is delayed or held, and say whether it must not happen."""
        fault = self.take(Call(operation, job_id=job_id, key=key))
        if isinstance(fault, Delay):
            await asyncio.sleep(fault.seconds)
        elif isinstance(fault, Hold):
            await fault.wait()
        return isinstance(fault, Lose)
