"""What the Boss answered, and which of our errors it amounts to.

A Boss says no in many voices: its own `{"status", "code", "message"}`, the framework's `{"detail"}`, the
HTML of a proxy, or not at all. Server faults of code 9001 come as HTTP 400, so the status alone tells
little (docs/protocol.md, "Requests and errors").
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from boss_ingest.errors import (
    Disposition,
    ExitCode,
    IngestError,
    NotAllowedError,
    RefusedError,
    ThrottledError,
    TransientError,
)

SYSTEM_ERROR = 9001
BAD_REQUEST = 1006
OBJECT_NOT_FOUND = 4004
INVALID_REQUEST = 2004
RESOURCE_NOT_FOUND = 4000
MARKED_FOR_DELETION = 4005

_LONGEST_MESSAGE = 300


class BossRefusedError(RefusedError):
    """The Boss will never accept this request: `code` is the Boss's own, `http_status` the answer's."""

    exit_code = ExitCode.USAGE
    disposition = Disposition.STOP


class ResourceMissingError(BossRefusedError):
    """A collection, experiment, channel or coordinate frame is not there; code 4005: marked for deletion."""

    exit_code = ExitCode.CONFIG


class ForeignAnswerError(BossRefusedError):
    """A refusal that is not worded as a Boss does: by another server, or by something in between."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the Boss, or of what stands between us."""

    status: int
    body: bytes = field(repr=False)
    retry_after_s: float = 0.0
    location: str = ""

    @property
    def data(self) -> Any:
        """The body as JSON; None when it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def code(self) -> int:
        """The Boss's error code; 0 when the answer is none of its errors."""
        data = self.data
        code = data.get("code") if isinstance(data, dict) else None
        return code if isinstance(code, int) else 0

    @property
    def message(self) -> str:
        """What the answer says, on one line and shortened."""
        data = self.data
        text = ""
        if isinstance(data, dict):
            text = next((str(data[key]) for key in ("message", "detail", "info") if data.get(key)), "")
        elif self.body:
            text = "what is not JSON (a proxy's page?)" if data is None else "JSON of an unknown form"
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}..."

    @property
    def is_foreign(self) -> bool:
        """Whether no Boss words a refusal like this: it is a page, or JSON that explains nothing."""
        data = self.data
        return not (isinstance(data, dict) and data.keys() & {"code", "message", "detail"})

    @property
    def is_queue_gone(self) -> bool:
        """Whether it is the system error by which a job's deleted queue shows."""
        return self.code == SYSTEM_ERROR and any(
            name in self.message for name in ("NonExistentQueue", "QueueDoesNotExist")
        )

    def __str__(self) -> str:
        code = f" (code {self.code})" if self.code else ""
        return f"HTTP {self.status}{code}: {self.message or 'no explanation'}"


def error_of(answer: Answer, doing: str) -> IngestError:
    """The error that an unwanted answer amounts to; `doing` names the request, as in "joining job 7"."""
    what, status, code = f"{doing}: the Boss answered {answer}", answer.status, str(answer.code or "")
    if status in (401, 403) and not (answer.body and answer.is_foreign):
        return NotAllowedError(what, hint=_permission_hint(answer))
    if status in (429, 503):
        return ThrottledError(what, code=code, http_status=status, retry_after_s=answer.retry_after_s)
    if status == 408 or status >= 500 or answer.code == SYSTEM_ERROR or status < 300:
        return TransientError(what, code=code, http_status=status, retry_after_s=answer.retry_after_s)
    if status < 400 or answer.is_foreign:
        hint = "is this host really a Boss? look at client.backend.host"
        if status < 400:
            what = f"{doing}: the Boss sends us on to {answer.location or 'nowhere'}"
            hint = "the token is not carried elsewhere; if that is the Boss, write it as client.backend.host"
        return ForeignAnswerError(what, hint=hint, http_status=status, retry_after_s=answer.retry_after_s)
    if answer.code in (RESOURCE_NOT_FOUND, MARKED_FOR_DELETION):
        return ResourceMissingError(what, code=code, http_status=status)
    return BossRefusedError(what, code=code, http_status=status)


def _permission_hint(answer: Answer) -> str:
    if answer.code == 3003:
        return "use the token of the user who created the job"
    if answer.code == 3000:
        return "ask the Boss's administrators for the role resource-manager"
    if answer.code:
        return "ask the owner of the resource for the permission, or use another token"
    return "the token is missing, wrong or expired: copy it anew from the Boss's web page"
