"""Reads and checks the parameters of SQS requests, entry by entry in batches."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from boss_ingest.local.aws_errors import AwsError

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_ENTRIES = 10
MOST_BODY_BYTES = 262_144
_ID = re.compile(r"^[A-Za-z0-9_-]{1,80}$")
_BATCH = "AWS.SimpleQueueService."
Result = TypeVar("Result")


def integer(params: dict[str, Any], name: str, default: int | None, least: int, most: int) -> int | None:
    """An optional whole number. Raises AwsError when it is none, or out of range."""
    value = params.get(name, default)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise AwsError(
            "InvalidParameterValue",
            f"Value {value} for parameter {name} is invalid. Reason: Must be "
            f"between {least} and {most}, if provided.",
        )
    return value


def text(params: dict[str, Any], name: str) -> str:
    """A mandatory string. Raises AwsError when it is missing."""
    value = params.get(name)
    if not isinstance(value, str):
        raise AwsError("MissingParameter", f"The request must contain the parameter {name}.")
    return value


def message_body(params: dict[str, Any]) -> str:
    """The body of a message to send. Raises AwsError when it is empty, too long, or has attributes."""
    body = text(params, "MessageBody")
    if not body:
        raise AwsError("MissingParameter", "The request must contain the parameter MessageBody.")
    if len(body.encode()) > MOST_BODY_BYTES:
        raise AwsError(
            "InvalidParameterValue",
            "One or more parameters are invalid. Reason: Message must be shorter "
            f"than {MOST_BODY_BYTES} bytes.",
        )
    if params.get("MessageAttributes"):
        raise AwsError("UnsupportedOperation", "This local Boss does not keep message attributes.")
    return body


def entries(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of a batch. Raises AwsError unless there are 1 to 10 with distinct ids."""
    batch = params.get("Entries")
    if not isinstance(batch, list) or not batch:
        raise AwsError(f"{_BATCH}EmptyBatchRequest", "There should be at least one entry in the request.")
    if len(batch) > MOST_ENTRIES:
        raise AwsError(
            f"{_BATCH}TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {MOST_ENTRIES}. You have sent {len(batch)}.",
        )
    ids = [text(entry, "Id") for entry in batch]
    if not all(_ID.match(id_) for id_ in ids):
        raise AwsError(
            f"{_BATCH}InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, "
            "hyphens and underscores. It can be at most 80 letters long.",
        )
    if len(set(ids)) < len(ids):
        raise AwsError(f"{_BATCH}BatchEntryIdsNotDistinct", "Ids of the entries are not distinct.")
    return batch


def each(
    batch: list[dict[str, Any]],
    act: Callable[[dict[str, Any]], Result],
) -> tuple[list[tuple[str, Result]], list[dict[str, Any]]]:
    """Apply `act` to every entry: the ids and results of those that worked, and `Failed` for the others."""
    good: list[tuple[str, Result]] = []
    failed: list[dict[str, Any]] = []
    for entry in batch:
        try:
            good.append((entry["Id"], act(entry)))
        except AwsError as error:
            failed.append(
                {"Id": entry["Id"], "Code": error.code, "Message": error.message, "SenderFault": True}
            )
    return good, failed


def batch_result(successful: list[dict[str, Any]], failed: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer to a batch."""
    return {"Successful": successful, **({"Failed": failed} if failed else {})}
