"""The three services as the fault proxy tells them apart: names of operations, and forms of errors."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING

from boss_ingest.local import rest, s3
from boss_ingest.local.queues import queue_name
from boss_ingest.local.s3_request import address
from boss_ingest.local.server import _REST
from boss_ingest.local.settings import ACCOUNT
from boss_ingest.local.sqs import _TYPES, CONTENT_TYPE
from tests.fault.proxy_message import Response

if TYPE_CHECKING:
    from tests.fault.proxy_faults import Answer
    from tests.fault.proxy_message import Request


def service(request: Request) -> str:
    """`rest`, `sqs` or `s3`."""
    path = request.path.partition("?")[0]
    if "X-Amz-Target" in request.headers or path.startswith(f"/{ACCOUNT}/"):
        return "sqs"
    return "rest" if path.startswith(_REST) else "s3"


def name(request: Request) -> tuple[str, str]:
    """The operation, and the key it is about; of SQS and the Boss the body must have been read."""
    path = request.path.partition("?")[0]
    asked = SimpleNamespace(method=request.method, path=path, raw_path=request.path, headers=request.headers)
    match service(request):
        case "sqs":
            try:
                url = str(request.json().get("QueueUrl", path))
            except ValueError:
                url = path
            return f"sqs.{request.headers.get('X-Amz-Target', '.').rpartition('.')[2]}", queue_name(url)
        case "rest":
            operation, parts = rest._operation(asked)
            return f"rest.{operation}", parts[0] if parts and parts[0].isdigit() else ""
        case _:
            _, key = address(request.path)
            return f"s3.{s3._operation(asked, with_key=bool(key))}", key


def error(of: str, wanted: Answer, *, head: bool) -> Response:
    """The answer of a service that refuses with a code."""
    headers = dict(wanted.headers)
    if wanted.retry_after_s is not None:
        headers["Retry-After"] = f"{wanted.retry_after_s:g}"
    body, kind = {"sqs": _sqs, "rest": _rest, "s3": _s3}[of](wanted, headers)
    if wanted.body is not None:
        body = wanted.body
    headers["Content-Type"] = wanted.content_type or kind
    return Response.make(wanted.status, b"" if head else body, headers)


def _rest(wanted: Answer, _headers: dict[str, str]) -> tuple[bytes, str]:
    if isinstance(wanted.code, int):
        body: dict[str, object] = {
            "status": wanted.status,
            "code": wanted.code,
            "message": "injected by a test",
        }
    else:
        body = {"detail": wanted.code}
    return json.dumps(body).encode(), "application/json"


def _sqs(wanted: Answer, headers: dict[str, str]) -> tuple[bytes, str]:
    code = str(wanted.code)
    blame = "Sender" if wanted.status < 500 else "Receiver"
    headers["x-amzn-query-error"] = f"{code};{blame}"
    body = {"__type": _TYPES.get(code, f"com.amazonaws.sqs#{code}"), "message": "injected by a test"}
    return json.dumps(body).encode(), CONTENT_TYPE


def _s3(wanted: Answer, _headers: dict[str, str]) -> tuple[bytes, str]:
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{wanted.code}</Code>'
        "<Message>injected by a test</Message><RequestId>0123456789ABCDEF</RequestId></Error>"
    )
    return text.encode(), "application/xml"
