"""What one of several uploading processes of a client knows of the others, which their parent tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Siblings:
    """This is process `number` (from 0) of `processes`, and by default there are no others.

    They take turns at asking how much is left in the queue. While others are `busy`, what is out of the queue
    is most likely theirs.
    """

    number: int = 0
    processes: int = 1
    busy: bool = False
