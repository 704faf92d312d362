"""The tasks this client has set aside: all by message id, the first in full, so that a million fit."""

from __future__ import annotations

from collections.abc import Iterable

from boss_ingest.engine.events import SetAside

_TOLD = 20  # in full; the report has all of them


class Aside:
    """What was set aside: `len()` of it, whether a message is `in` it, and the `first` few to tell of.

    `back_s` (event loop's clock) is when the last of their messages comes back to the queue: leases can
    neither be ended early nor made longer (docs/protocol.md, "Credentials").
    """

    def __init__(self) -> None:
        self._message_ids: set[str] = set()
        self.first: list[SetAside] = []
        self.back_s = 0.0

    def add(self, event: SetAside) -> None:
        """One more."""
        self._message_ids.add(event.message_id)
        if len(self.first) < _TOLD:
            self.first.append(event)

    def elsewhere(self, message_ids: Iterable[str]) -> None:
        """Those that another process of this client set aside, and told of."""
        self._message_ids.update(message_ids)

    @property
    def message_ids(self) -> list[str]:
        """All of them."""
        return list(self._message_ids)

    def hidden_until(self, deadline_s: float) -> None:
        """One of them is leased until then."""
        self.back_s = max(self.back_s, deadline_s)

    def __len__(self) -> int:
        return len(self._message_ids)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._message_ids
