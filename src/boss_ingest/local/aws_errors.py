"""How SQS and S3 say no: a code that SDKs match on, a sentence, and an HTTP status."""

from __future__ import annotations


class AwsError(Exception):
    """A request to SQS or S3 is refused; each protocol writes it in its own way."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status


def access_denied(who: str, action: str, resource: str) -> AwsError:
    """The keys are good, but not for this."""
    return AwsError(
        "AccessDenied", f"User: {who} is not authorized to perform: {action} on resource: {resource}", 403
    )
