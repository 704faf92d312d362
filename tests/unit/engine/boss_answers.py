"""What a Boss answers about job 7, to script one with."""

from __future__ import annotations

from typing import Any

from tests.scripted_boss import Reply, refusal

SQS = "https://sqs.us-east-1.amazonaws.com/123456789012/production-boss"
SYSTEM = refusal(400, 9001, "throttled by AWS")
NO_QUEUE = refusal(400, 9001, "An error occurred (AWS.SimpleQueueService.NonExistentQueue) when calling")
CANCELLED = refusal(404, 2004, "The job with id 7 has been deleted")
NO_SUCH_JOB = refusal(404, 4004, "The ingest job with id 7 does not exist")
NOT_EMPTY = refusal(400, 1006, "Upload queue is not empty")


def joined(state: int, *, keys: bool = True, **changes: object) -> Reply:
    """The answer to a join of a tile job of col/exp/ch with 320 tiles."""
    job: dict[str, Any] = {
        "id": 7,
        "collection": "col",
        "experiment": "exp",
        "channel": "ch",
        "status": state,
        "tile_count": 320,
        "ingest_type": 0,
        "ingest_queue": f"{SQS}-ingest-7",
        "upload_queue": f"{SQS}-upload-7",
        "tile_index_queue": f"{SQS}-7-index",
    }
    credentials = {"access_key": "AKIA7", "secret_key": "s", "security_token": None} if keys else None
    return Reply(
        200,
        {
            "ingest_job": job | changes,
            "credentials": credentials,
            "tile_bucket_name": "tiles.production.boss",
            "ingest_bucket_name": "ingest.production.boss",
            "resource": {"lookup_key": "4&9&27", "channel": {"type": "image", "datatype": "uint8"}},
        },
    )


def status(state: int, visible: int = 0) -> Reply:
    """The answer to a status request."""
    return Reply(
        200, {"id": 7, "status": state, "total_message_count": 320, "current_message_count": visible}
    )
