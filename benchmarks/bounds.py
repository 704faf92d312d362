"""How far each ratio of `make bench-quick` may fall before it fails: the one table of them.

`usual` is what a quiet machine of two cores gave; renew it when something became faster for good.
Ratios of CPU seconds move little with other work on the machine, so half of the usual is the bound. By the
clock both sides suffer, ours more, for it works while the original waits: that bound asks for a quarter.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bound:
    """More is better, unless `at_most`."""

    usual: float
    bound: float
    why: str
    at_most: bool = False

    def holds(self, value: float) -> bool:
        return value <= self.bound if self.at_most else value >= self.bound


def _half(usual: float, why: str) -> Bound:
    return Bound(usual, usual / 2, why)


BOUNDS = {
    "(a) CPU a task: bare loop ÷ ours": _half(
        0.34, "what reading, checking and the queues add to a PUT of 0.7 MB"
    ),
    "(a) CPU a task: original ÷ ours": _half(45, "tiles that need no new encoding are passed through"),
    "(a) tiles/s at 40 ms: ours ÷ original": Bound(
        180, 180 / 4, "PUTs go side by side: one after the other this falls to about 1"
    ),
    "(f) CPU a task: bare loop ÷ ours": _half(0.22, "what the pipeline adds to a small PUT"),
    "(f) CPU a task: stock aiobotocore's PUT ÷ ours": _half(
        1.2, "our own signer and transport; the whole pipeline against its PUT alone"
    ),
    "(f) CPU a task: original ÷ ours": _half(13, "batched queues, no re-encoding"),
    "(b) CPU a task: original ÷ ours": _half(
        5.1, "PNG with one filter, by a fast zlib, without worker processes"
    ),
    "(d) CPU a task: bare loop ÷ ours": _half(0.4, "what reading and cutting add to a chunk's PUTs"),
    "(d) CPU a task: original ÷ ours": _half(3.3, "few copies, into memory that is used again"),
    "(a) requests a tile": Bound(1.31, 1.6, "SQS in batches of ten; 4 without", at_most=True),
    "(f) requests a tile": Bound(1.30, 1.6, "SQS in batches of ten; 4 without", at_most=True),
    "engine: tasks ÷ rounds of a plain loop": _half(
        0.06, "the pipeline alone, in memory: no network, no files"
    ),
}
