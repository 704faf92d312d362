"""Rows of the matrix: the job's keys, which come late, end early, or are none."""

from __future__ import annotations

from collections.abc import Callable

from boss_ingest.local.faults import Lose
from tests.fault.matrix_case import Case, by_settings, nothing, on, together
from tests.fault.matrix_checks import keys_were_renewed
from tests.fault.matrix_rig import Rig
from tests.fault.proxy import Answer, Latency, Seen


def _first_keys_end(code: str, *, status: int = 400, after: int = 3) -> Callable[[Rig], None]:
    """From some moment on the keys of the first join are refused, by all services."""

    def arm(rig: Rig) -> None:
        first: list[str] = []

        def is_of_the_first(seen: Seen) -> bool:
            if seen.operation.startswith("rest."):
                return False
            first.append(seen.access_key)
            return seen.access_key == first[0] and rig.proxy.calls["s3.PutObject"] > after

        rig.proxy.add(is_of_the_first, Answer(status, code), times=None)

    return arm


def _renewal_is_keyless(rig: Rig) -> None:
    """The keys end, and the next two joins bring none."""
    _first_keys_end("ExpiredToken")(rig)
    joins = rig.faults.calls["rest.join"]
    rig.faults.add("server.credentials", Lose(), times=2, after=0 if joins else 1)


def _renewal_is_bad(rig: Rig) -> None:
    """S3 stumbles over the first keys for a moment; the second, asked for because of that, are never good."""
    known: list[str] = []

    def is_bad(seen: Seen) -> bool:
        if seen.operation.startswith("rest."):
            return False
        if seen.access_key not in known:
            known.append(seen.access_key)
        return known.index(seen.access_key) == 1

    rig.proxy.add("s3.", Answer(403, "InvalidAccessKeyId"), times=8, after=2)
    rig.proxy.add(is_bad, Answer(403, "InvalidAccessKeyId"), times=None)


CASES = [
    Case(
        name="keys: unknown for the first second",
        arm=nothing,
        happened=lambda rig: any((seen.answered or 0) >= 400 for seen in rig.proxy.log),
        settings={"credential_delay_s": 1.0},
    ),
    *(
        Case(name=f"keys: {code} in the middle", arm=_first_keys_end(code, status=status))
        for code, status in (("ExpiredToken", 400), ("InvalidAccessKeyId", 403), ("AccessDenied", 403))
    ),
    Case(name="keys: ended before the first task", arm=_first_keys_end("ExpiredToken", after=-1)),
    Case(
        name="keys: live for two seconds, the work for more",
        arm=on("s3.PutObject", Latency(0.4, jitter_s=0.2), times=None),
        settings={"credential_life_s": 2.0},
        options={"concurrency": 2},
        also=keys_were_renewed,
    ),
    Case(name="keys: the renewal brings none, twice", arm=_renewal_is_keyless),
    Case(name="keys: the second set is never good", arm=_renewal_is_bad),
    Case(
        name="keys: null credentials, twice",
        arm=nothing,
        happened=by_settings,
        settings={"null_credentials": 2},
    ),
    Case(
        name="keys: null credentials for good",
        arm=lambda rig: rig.faults.add("server.credentials", Lose(), times=None),
        happened=by_settings,
        ends=(7,),
    ),
    Case(
        name="keys: refused for good",
        arm=together(
            on("s3.", Answer(403, "InvalidAccessKeyId"), times=None),
            on("sqs.", Answer(403, "InvalidClientTokenId"), times=None),
        ),
        options={"give_up_s": 1.0},
        ends=(7,),
    ),
]
