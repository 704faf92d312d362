"""What this client remembers of messages: how often they failed, and those done that may come again.

At most so much that memory stays flat; what is forgotten is tried or stored once more, to no harm.
"""

from __future__ import annotations

from collections import OrderedDict

_REMEMBERED = 25_000  # at least so many of each


class Ledger:
    """Message ids by what became of them. A message id stays the same over its redeliveries."""

    def __init__(self) -> None:
        self._tries: OrderedDict[str, int] = OrderedDict()
        self._let_go: OrderedDict[str, int] = OrderedDict()
        self._done: set[str] = set()
        self._done_before: set[str] = set()

    def failed(self, message_id: str) -> int:
        """Count one more try that failed by the task's own fault; returns how many there were."""
        return _one_more(self._tries, message_id)

    def let_go(self, message_id: str) -> int:
        """Count one more lease that ended while a service did not answer; returns how many there were."""
        return _one_more(self._let_go, message_id)

    def set_aside(self, message_id: str) -> None:
        """This message is not tried any more."""
        self._tries.pop(message_id, None)
        self._let_go.pop(message_id, None)

    def done(self, message_id: str) -> None:
        """Everything this message asks for is stored."""
        self.set_aside(message_id)
        self._done.add(message_id)
        if len(self._done) >= _REMEMBERED:
            self._done, self._done_before = set(), self._done

    def is_done(self, message_id: str) -> bool:
        """Whether a message that came again only needs to be acknowledged."""
        return message_id in self._done or message_id in self._done_before


def _one_more(counts: OrderedDict[str, int], message_id: str) -> int:
    """Count; the one that was counted longest ago is forgotten, as others have seen to it by now."""
    counts[message_id] = number = counts.pop(message_id, 0) + 1
    if len(counts) > _REMEMBERED:
        counts.popitem(last=False)
    return number
