"""The queues as the engine sees them: leases of the upload queue, messages of the tile index queue."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

LEASE_LIMIT_S = 180.0
"""Leases stay below this: later the Boss takes the queue for drained (docs/protocol.md, "Completing")."""

LONG_POLL_LIMIT_S = 20.0
"""The longest that SQS lets a receive wait."""

BATCH_ENTRIES = 10
BATCH_BYTES = 256 * 1024
"""What SQS takes in one request: entries, and bytes of all their bodies together."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One message of the upload queue, ours until `deadline_s`.

    A lease is settled exactly once: acknowledged after everything it asks for is stored, or let go, to
    come back to any client when its time is up.
    """

    message_id: str  # stable over redeliveries of one message
    receipt: str = field(repr=False)  # good for this delivery only; whoever has it can delete the message
    body: str
    deadline_s: float  # on the event loop's clock; counted from before the request, so never late
    deliveries: int  # 1 the first time, as SQS counts it: approximately


@dataclass(frozen=True, slots=True)
class Depth:
    """How many messages a queue holds, as SQS counts them: approximately, a moment ago."""

    visible: int
    in_flight: int  # leased to somebody
    delayed: int

    @property
    def total(self) -> int:
        """All messages that are not yet acknowledged."""
        return self.visible + self.in_flight + self.delayed


class UploadQueue(Protocol):
    """Where tasks come from. Every call is one request without retries; it raises ServiceErrors."""

    async def lease(self, most: int, *, wait_s: float, lease_s: float) -> list[Lease]:
        """Lease up to `most` (1 to 10) messages for `lease_s`; wait up to `wait_s` (0 to 20) for the first.

        SQS counts whole seconds: `wait_s` is rounded up, `lease_s` (1 to below 180) down. [] is an empty
        long poll. Raises ValueError when a number is out of its range.
        """
        ...

    async def acknowledge(self, lease: Lease) -> None:
        """Delete the message; returns when the queue has done so.

        The receipt of a delivery whose time is up may be taken without effect or be refused
        (RefusedError): then the message comes back, to be acknowledged with its new lease.
        """
        ...

    async def depth(self) -> Depth:
        """Count the queue's messages."""
        ...


class IndexQueue(Protocol):
    """Where the Boss is told of stored tiles."""

    async def send(self, body: str) -> None:
        """Send one message; returns when the queue has accepted it. Raises ServiceErrors."""
        ...


def check_lease_request(most: int, *, wait_s: float, lease_s: float) -> None:
    """Raise ValueError when a lease is asked for that no queue may grant."""
    if not 1 <= most <= BATCH_ENTRIES:
        raise ValueError(f"most is {most}, must be 1 to {BATCH_ENTRIES}")
    if not 0 <= wait_s <= LONG_POLL_LIMIT_S:
        raise ValueError(f"wait_s is {wait_s}, must be 0 to {LONG_POLL_LIMIT_S:g}")
    if not 1 <= lease_s < LEASE_LIMIT_S:
        raise ValueError(f"lease_s is {lease_s}, must be 1 to below {LEASE_LIMIT_S:g}")
