"""What else must be true of a run of the matrix: beside that nothing is lost, how the client behaved."""

from __future__ import annotations

import itertools
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fault.matrix_rig import Rig

_OBJECTS = {"tile": 12, "volumetric": 18}
_MOST_KEYS = 6
_EARLY_S = 0.05  # clocks and event loops are not that exact


def no_waste(rig: Rig) -> None:
    """Each object was put once, each tile indexed once, each message deleted once."""
    assert rig.proxy.calls["s3.PutObject"] == _OBJECTS[rig.kind], rig.proxy.calls
    assert len(rig.audit.deleted) == rig.tasks
    assert sorted(rig.audit.indexed) == sorted(set(rig.audit.indexed))


def keys_were_renewed(rig: Rig) -> None:
    """The fault was there: the first keys did not do."""
    assert len({seen.access_key for seen in rig.proxy.log if seen.access_key}) > 1, "one set was enough"


def few_keys(rig: Rig) -> None:
    """Each set of keys is a user in the Boss's account: a client does not ask for them again and again."""
    assert rig.minted <= _MOST_KEYS, f"{rig.minted} sets of keys"


def recalled(rig: Rig) -> None:
    """More was uploaded than there are tasks: the Boss asked for some again."""
    uploaded = len(rig.audit.deleted)
    assert uploaded > rig.tasks, f"{uploaded} of {rig.tasks}: nothing was asked for again"


def no_storm(rig: Rig) -> None:
    """A service in trouble is not asked many times as often as it would be without."""
    puts, objects = rig.proxy.calls["s3.PutObject"], _OBJECTS[rig.kind]
    assert puts <= 12 * objects, f"{puts} PUTs of {objects} objects"


def retry_after_was_honoured(rig: Rig) -> None:
    """No object was put again before the second that S3 had asked for was over."""
    puts = defaultdict(list)
    for seen in rig.proxy.log:
        if seen.operation == "s3.PutObject":
            puts[seen.key].append(seen)
    for key, tries in puts.items():
        for refused, again in itertools.pairwise(tries):
            waited_s = again.at_s - refused.at_s
            assert not refused.met or waited_s >= 1.0 - _EARLY_S, f"{key}: again after {waited_s:.2f} s"
