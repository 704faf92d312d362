"""What this client remembers of messages: tries, those set aside, those done and perhaps to come again."""

from __future__ import annotations

_REMEMBERED = 25_000  # at least so many are known to be done; a forgotten one is stored again, to no harm


class Ledger:
    """Message ids by what became of them. A message id stays the same over its redeliveries."""

    def __init__(self) -> None:
        self._tries: dict[str, int] = {}
        self._let_go: dict[str, int] = {}
        self._done: set[str] = set()
        self._done_before: set[str] = set()

    def failed(self, message_id: str) -> int:
        """Count one more try that failed by the task's own fault; returns how many there were."""
        self._tries[message_id] = self._tries.get(message_id, 0) + 1
        return self._tries[message_id]

    def let_go(self, message_id: str) -> int:
        """Count one more lease that ended while a service did not answer; returns how many there were."""
        self._let_go[message_id] = self._let_go.get(message_id, 0) + 1
        return self._let_go[message_id]

    def done(self, message_id: str) -> None:
        """Everything this message asks for is stored."""
        self._tries.pop(message_id, None)
        self._let_go.pop(message_id, None)
        self._done.add(message_id)
        if len(self._done) >= _REMEMBERED:
            self._done, self._done_before = set(), self._done

    def is_done(self, message_id: str) -> bool:
        """Whether a message that came again only needs to be acknowledged."""
        return message_id in self._done or message_id in self._done_before
