"""Rows of the matrix: the wire. Each trouble of a network, between us and each of the three services."""

from __future__ import annotations

from tests.fault.matrix_case import Case, nothing, on, sometimes, together
from tests.fault.matrix_checks import no_waste
from tests.fault.proxy import (
    Bandwidth,
    Cut,
    Fault,
    Flip,
    Garbage,
    Hang,
    Latency,
    Noise,
    Reset,
)

_ALWAYS: dict[str, Fault] = {
    "latency": Latency(0.05, jitter_s=0.2),
    "low bandwidth": Bandwidth(400_000),
}
_SOMETIMES: dict[str, Fault] = {
    "reset before the request": Reset("before"),
    "reset during the body": Reset("during"),
    "reset after the request": Reset("after"),
    "half open before": Hang("before"),
    "half open after": Hang("after"),
    "answer cut in its head": Cut(25),
    "answer cut at its end": Cut(-1),
    "no answer, closed": Cut(0),
    "a proxy's page": Garbage(),
    "a proxy's page, done all the same": Garbage(when="after"),
    "a proxy's empty 502": Garbage(b"", 502),
    "an empty 200": Garbage(b"", 200, "application/json"),
    "not even HTTP": Noise(),
    "longer than the limit": Latency(1.3),
}
_SERVICES = {"S3": "s3.", "SQS": "sqs.", "REST": "rest."}
_CALLS = ("rest.join", "rest.complete", "rest.status")


def _case(service: str, name: str, fault: Fault) -> Case:
    prefix = _SERVICES[service]
    arm = sometimes(prefix, fault)
    if name in _ALWAYS:
        arm = on(prefix, fault, times=None)
    elif service == "REST":  # which is called so seldom that dice would miss it
        arm = together(*(on(call, fault, times=2) for call in _CALLS))
    if (service, name[:9]) == ("S3", "half open"):  # so slow that a task may outlast all leases it is given
        return Case(name=f"{service}: {name}", arm=arm, ends=(0, 3), options={"lease_s": 4.0})
    return Case(name=f"{service}: {name}", arm=arm)


CASES = [
    Case(
        name="no fault",
        arm=nothing,
        happened=lambda _rig: True,
        also=no_waste,
        options={"lease_s": 60.0},  # what outlasts its lease comes twice
    ),
    *(
        _case(service, name, fault)
        for service in _SERVICES
        for name, fault in {**_ALWAYS, **_SOMETIMES}.items()
        if (service, name) != ("S3", "an empty 200")
    ),
    Case(name="S3: a bit flips in the body", arm=sometimes("s3.", Flip())),
    Case(name="S3: an empty 200 without ETag", arm=sometimes("s3.", Garbage(b"", 200, "application/xml"))),
    Case(
        name="everywhere: resets, pages and latency at once",
        arm=together(
            on("", Latency(0.0, jitter_s=0.1), times=None),
            on("", Reset("before"), times=None, chance=0.1),
            on("", Reset("after"), times=None, chance=0.1),
            on("", Garbage(b"", 502), times=None, chance=0.1),
        ),
    ),
]
