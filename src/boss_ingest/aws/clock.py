"""The time that requests are signed with: this machine's, until a service shows that to be wrong.

AWS takes no request that was signed more than a quarter of an hour ago or ahead, and says so in several
ways, not all of which name the time. Every answer has its own time in its `Date` header.
"""

from __future__ import annotations

import logging
import time

from boss_ingest.config.http_time import timestamp_s

log = logging.getLogger(__name__)

_TOLERANCE_S = 240.0
"""Less than this explains no refusal: AWS allows 15 minutes, some services 5."""


class Clock:
    """This machine's clock, set right by what the services say."""

    def __init__(self) -> None:
        self._ahead_s = 0.0  # what the services' clocks are ahead of ours

    def now_s(self) -> float:
        """Unix time."""
        return time.time() + self._ahead_s

    def explain(self, date: str) -> str:
        """What is wrong with this machine's clock, if that explains a refusal of that `Date`; else "".

        From then on `now_s` is the services' time, so that the next try can work.
        """
        theirs_s = timestamp_s(date)
        if theirs_s is None or abs(theirs_s - self.now_s()) <= _TOLERANCE_S:
            return ""
        self._ahead_s = theirs_s - time.time()
        minutes = abs(self._ahead_s) / 60
        told = f"this machine's clock is {minutes:,.0f} minutes {'behind' if self._ahead_s > 0 else 'ahead'}"
        log.warning("%s; requests are now signed with the service's time", told)
        return f"{told}; set it, for example with NTP"
