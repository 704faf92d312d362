"""Whether PUTs take long because there are too many of them: the latency that rises with a queue before S3.

PUTs are judged in rounds. Each is compared with others of about its size, for bodies of any size are mixed,
and the lower quartile of a round with that of the quickest round lately: so neither what a service takes
by nature, nor a few slow answers, nor a pause of our own looks like a queue for long.
"""

from __future__ import annotations

from dataclasses import dataclass, field

_FEW = 4  # PUTs of one size that tell nothing
_REMEMBERED_S = 15.0  # the quickest round is one of this time, or of as much before: paths change …
_REMEMBERED_ROUNDS = 20  # … and of at least so many
_SHORT_S = 0.05  # a queue that costs less than this is not worth a slower upload
_INSTANT_S = 1e-6


@dataclass(slots=True)
class _Size:
    """PUTs of bodies of about one size: durations in this round, and the quickest rounds' lower quartiles."""

    took_s: list[float] = field(default_factory=list)
    least_s: float = float("inf")
    least_before_s: float = float("inf")

    def unloaded_s(self) -> float:
        return max(_INSTANT_S, min(self.least_s, self.least_before_s))


class Latency:
    """Durations of accepted PUTs, by rounds that begin one after the other."""

    def __init__(self) -> None:
        self._sizes: dict[int, _Size] = {}
        self._began_s = float("-inf")
        self._forgot_at_s = float("-inf")
        self._rounds = 0  # since then
        self.puts = 0  # in this round so far

    def add(self, *, began_s: float, ended_s: float, size_bytes: int) -> None:
        """One PUT; it counts when it began in this round."""
        if began_s < self._began_s:
            return
        size = self._sizes.setdefault(size_bytes.bit_length() // 2, _Size())
        size.took_s.append(ended_s - began_s)
        self.puts += 1

    def end_round(self, now_s: float) -> float:
        """How many times the unloaded latency its PUTs took; 1 when there is no queue to speak of."""
        self._rounds += 1
        if now_s - self._forgot_at_s > _REMEMBERED_S and self._rounds > _REMEMBERED_ROUNDS:
            self._forgot_at_s, self._rounds = now_s, 0
            for size in self._sizes.values():
                size.least_before_s, size.least_s = size.least_s, float("inf")
        puts, times, waited_s = 0, 0.0, 0.0
        for size in self._sizes.values():
            count = len(size.took_s)
            if count >= _FEW:
                quartile_s = sorted(size.took_s)[count // 4]
                size.took_s.clear()
                size.least_s = min(size.least_s, quartile_s)
                unloaded_s = size.unloaded_s()
                puts += count
                times += count * max(quartile_s, _INSTANT_S) / unloaded_s
                waited_s += count * (quartile_s - unloaded_s)
        self._began_s = now_s
        self.puts = 0
        return times / puts if puts and waited_s / puts > _SHORT_S else 1.0

    def accept(self) -> None:
        """Take for unloaded what comes next: the way to S3 has changed."""
        for size in self._sizes.values():
            size.least_s = size.least_before_s = float("inf")
