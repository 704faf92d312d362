"""Rows of the matrix: what the services say no with, once, now and then, or for good."""

from __future__ import annotations

from collections.abc import Callable

from tests.fault.matrix_case import Case, on, sometimes, together
from tests.fault.matrix_checks import no_storm, retry_after_was_honoured
from tests.fault.matrix_rig import Rig
from tests.fault.proxy import Answer, Seen

_HTML = {"body": b"<html>no</html>", "content_type": "text/html"}

_S3 = {
    "500 InternalError": Answer(500, "InternalError"),
    "500 InternalError, Retry-After": Answer(500, "InternalError", retry_after_s=1),
    "503 SlowDown": Answer(503, "SlowDown"),
    "503 SlowDown, Retry-After": Answer(503, "SlowDown", retry_after_s=1),
    "503 ServiceUnavailable": Answer(503, "ServiceUnavailable"),
    "503 that is a page": Answer(503, **_HTML),
    "429 that is a page, Retry-After": Answer(429, retry_after_s=1, **_HTML),
    "400 RequestTimeout": Answer(400, "RequestTimeout"),
    "403 RequestTimeTooSkewed": Answer(403, "RequestTimeTooSkewed"),
    "400 BadDigest": Answer(400, "BadDigest"),
    "400 that is a page": Answer(400, **_HTML),
    "409 OperationAborted": Answer(409, "OperationAborted"),
    "403 SignatureDoesNotMatch": Answer(403, "SignatureDoesNotMatch"),
    "403 InvalidAccessKeyId": Answer(403, "InvalidAccessKeyId"),
}
_SQS = {
    "400 ThrottlingException": Answer(400, "ThrottlingException"),
    "403 RequestThrottled": Answer(403, "RequestThrottled"),
    "400 OverLimit": Answer(400, "OverLimit"),
    "500 InternalFailure": Answer(500, "InternalFailure"),
    "503 ServiceUnavailable, Retry-After": Answer(503, "ServiceUnavailable", retry_after_s=1),
    "503 that is a page": Answer(503, **_HTML),
    "403 InvalidClientTokenId": Answer(403, "InvalidClientTokenId"),
    "400 RequestExpired": Answer(400, "RequestExpired"),
}
_REST = {
    "400 with 9001": Answer(400, 9001),
    "500": Answer(500, 9001),
    "502 that is a page": Answer(502, **_HTML),
    "503, Retry-After": Answer(503, "busy", retry_after_s=1),
    "429, Retry-After": Answer(429, "slow down", retry_after_s=1),
    "408": Answer(408, "timeout"),
    "504 that is a page": Answer(504, **_HTML),
}
_CALLS = ("rest.join", "rest.complete", "rest.status")


def _one_object(seen: Seen) -> bool:
    """A third of the keys, always the same."""
    return seen.operation == "s3.PutObject" and sum(seen.key.encode()) % 3 == 0


def _all_after(count: int, operation: str, fault: Answer) -> Callable[[Rig], None]:
    return on(operation, fault, times=None, after=count)


CASES = [
    *(
        Case(
            name=f"S3: {name}",
            arm=sometimes("s3.", answer),
            also=retry_after_was_honoured if answer.retry_after_s else no_storm,
            options={"lease_s": 10.0} if answer.retry_after_s else {},  # a new lease knows of no Retry-After
        )
        for name, answer in _S3.items()
    ),
    *(Case(name=f"SQS: {name}", arm=sometimes("sqs.", answer)) for name, answer in _SQS.items()),
    *(
        Case(name=f"REST: {name}", arm=together(*(on(call, answer, times=2) for call in _CALLS)))
        for name, answer in _REST.items()
    ),
    Case(
        name="S3: SlowDown three times of four, for the whole job",
        arm=on("s3.", Answer(503, "SlowDown"), times=None, chance=0.75),
        also=no_storm,
        options={"lease_s": 10.0},
    ),
    Case(
        name="SQS: deletes throttled four times of five",
        arm=sometimes("sqs.DeleteMessageBatch", Answer(400, "ThrottlingException"), chance=0.8),
    ),
    Case(
        name="S3: SlowDown for good",
        arm=_all_after(4, "s3.PutObject", Answer(503, "SlowDown")),
        also=no_storm,
        options={"give_up_s": 0.5},
        ends=(7,),
    ),
    Case(
        name="SQS: no receive answered any more",
        arm=_all_after(1, "sqs.ReceiveMessage", Answer(500, "InternalFailure")),
        options={"give_up_s": 0.5},
        ends=(7,),
    ),
    Case(
        name="SQS: no index message accepted",
        arm=_all_after(0, "sqs.SendMessageBatch", Answer(400, "ThrottlingException")),
        options={"give_up_s": 0.5},
        kinds=("tile",),
        ends=(7,),
    ),
    Case(
        name="SQS: no delete accepted",
        arm=_all_after(0, "sqs.DeleteMessageBatch", Answer(500, "InternalFailure")),
        options={"give_up_s": 0.5},
        ends=(7,),
    ),
    Case(
        name="S3: some objects are refused for good",
        arm=on(_one_object, Answer(400, "EntityTooLarge"), times=None),
        ends=(3,),
    ),
    Case(name="S3: no such bucket", arm=on("s3.", Answer(404, "NoSuchBucket"), times=None), ends=(3,)),
    Case(
        name="S3: AccessDenied for good",
        arm=on("s3.", Answer(403, "AccessDenied"), times=None),
        options={"give_up_s": 1.0},
        ends=(7,),
    ),
    Case(
        name="S3: this computer's clock is wrong",
        arm=together(
            on("s3.", Answer(403, "RequestTimeTooSkewed"), times=None),
            on("sqs.", Answer(403, "SignatureDoesNotMatch"), times=None),
        ),
        options={"give_up_s": 1.0},
        ends=(7,),
    ),
    Case(
        name="REST: the token is not good any more",
        arm=on("rest.", Answer(401, "Invalid token."), times=None),
        ends=(5,),
    ),
    Case(name="REST: not our job", arm=on("rest.", Answer(403, 3003), times=None), ends=(5,)),
    Case(
        name="REST: no completion answered",
        arm=on("rest.complete", Answer(500, "no"), times=None),
        options={"give_up_s": 1.0},
        ends=(7,),
    ),
]
