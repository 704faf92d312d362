"""What is seconds in life is milliseconds in the tests of faults; the counts stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boss_ingest.engine import finish, joining, pipeline, retry

if TYPE_CHECKING:
    import pytest


def shorten_waits(patch: pytest.MonkeyPatch) -> None:
    """Shorten the engine's waits until the patch is undone."""
    for module, name, seconds in (
        (pipeline, "_FIRST_LOOK_S", 0.0),
        (pipeline, "_LATER_LOOK_S", 1.0),
        (retry, "_FIRST_S", 0.005),
        (retry, "_CEILING_S", 0.1),
        (joining, "_FIRST_POLL_S", 0.01),
        (finish, "_FIRST_POLL_S", 0.01),
        (finish, "_LAST_POLL_S", 0.05),
    ):
        patch.setattr(module, name, seconds)
