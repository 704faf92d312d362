"""The REST side: which URL is which operation, who asks, and the form of answers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from boss_ingest.local.faults import Call, Http
from boss_ingest.local.rest_errors import BossError, not_authenticated

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from boss_ingest.local.state import State

_VERSION = re.compile(r"^/(v1|latest|v0\.[1-8])(?=/|$)")
_ID = r"(\d{1,4000})"  # Python reads numbers of 4300 digits
_RANGE = r"(\d{1,18}):(\d{1,18})"
_NAME = r"([^/]+)"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to the Boss: by whom (None: anonymously), for what, and with which JSON."""

    user: str | None
    path: tuple[str, ...]  # the variable parts of the URL
    query: dict[str, str]
    body: Any
    accept: str = ""


Handler = "Callable[[Asked], Awaitable[web.Response]]"


@dataclass(frozen=True, slots=True)
class Route:
    """A URL below the version segment, and the operations on it by HTTP method."""

    pattern: re.Pattern[str]
    operations: dict[str, str]


_ROUTES = [
    Route(re.compile(f"^{pattern}$"), operations)
    for pattern, operations in [
        (r"/ingest/", {"POST": "create", "GET": "list"}),
        (f"/ingest/{_ID}/?", {"GET": "join", "DELETE": "cancel"}),
        (f"/ingest/{_ID}/status/?", {"GET": "status"}),
        (f"/ingest/{_ID}/complete/?", {"POST": "complete"}),
        (r"/collection/?", {"GET": "list_collections"}),
        (r"/coord/?", {"GET": "list_frames"}),
        (rf"/collection/{_NAME}/experiment/?", {"GET": "list_experiments"}),
        (rf"/collection/{_NAME}/experiment/{_NAME}/channel/?", {"GET": "list_channels"}),
        (rf"/(collection)/{_NAME}/?", {"GET": "get", "POST": "add", "DELETE": "remove"}),
        (rf"/(coord)/{_NAME}/?", {"GET": "get", "POST": "add", "DELETE": "remove"}),
        (rf"/collection/{_NAME}/(experiment)/{_NAME}/?", {"GET": "get", "POST": "add", "DELETE": "remove"}),
        (
            rf"/collection/{_NAME}/experiment/{_NAME}/(channel)/{_NAME}/?",
            {"GET": "get", "POST": "add", "DELETE": "remove"},
        ),
        (
            rf"/cutout/{_NAME}/{_NAME}/{_NAME}/(\d{{1,3}})/{_RANGE}/{_RANGE}/{_RANGE}(?:/{_RANGE})?/?",
            {"GET": "cutout"},
        ),
    ]
]


class Rest:
    """Answers what is below /v1 and /latest, and /ping/."""

    def __init__(self, state: State, handlers: dict[str, Callable[[Asked], Awaitable[web.Response]]]) -> None:
        self._state = state
        self._handlers = handlers

    async def describe(self, request: web.BaseRequest) -> Call:
        """Name the operation; reads the body."""
        body = await request.read()
        params = _json(body)
        name, path = _operation(request)
        job_id = int(path[0]) if name in ("join", "status", "complete", "cancel") else 0
        return Call(
            f"rest.{name}",
            request.method,
            request.path,
            request.headers,
            job_id=job_id,
            params={} if params is None else params,
        )

    async def answer(self, call: Call, request: web.BaseRequest) -> web.Response:
        """Do what is asked."""
        try:
            return await self._answer(call, request)
        except BossError as error:
            headers = {"WWW-Authenticate": "Token"} if error.status == 401 else None
            return web.json_response(error.body, status=error.status, headers=headers)

    def failure(self, _call: Call, fault: Http) -> web.Response:
        """An error as the Boss writes it; a text code becomes the framework's `detail`."""
        if isinstance(fault.code, int):
            body: dict[str, Any] = {"status": fault.status, "code": fault.code, "message": fault.message}
        else:
            body = {"detail": fault.message}
        return web.json_response(body, status=fault.status, headers=dict(fault.headers))

    async def _answer(self, call: Call, request: web.BaseRequest) -> web.Response:
        name, path = _operation(request)
        if name == "ping":
            return web.json_response({"ip": request.remote or ""})
        if name == "old_version":
            raise BossError(400, 9003, "This API version is not supported.")
        if name == "missing_slash":
            return web.Response(status=301, headers={"Location": f"{request.path}/"})
        user = self._user(request)
        if name == "nowhere":
            raise BossError(404, 0, "", body={"detail": "Not found."})
        if name == "refused":
            raise BossError(405, 0, "", body={"detail": f'Method "{request.method}" not allowed.'})
        asked = Asked(user, path, dict(request.query), call.params, request.headers.get("Accept", ""))
        response = await self._handlers[name](asked)
        await self._state.database.committed()
        return response

    def _user(self, request: web.BaseRequest) -> str | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme and request.method == "GET":
            return None
        if scheme.lower() != "token" or not token:
            raise not_authenticated("Authentication credentials were not provided.")
        user = self._state.users.name(token.strip())
        if user is None:
            raise not_authenticated("Invalid token.")
        return user


def _json(body: bytes) -> Any:
    """The body as JSON; None when it is not, or holds what no database stores: half of a character."""
    try:
        found = json.loads(body) if body else {}
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return found


def _operation(request: web.BaseRequest) -> tuple[str, tuple[str, ...]]:
    if request.path.rstrip("/") == "/ping":
        return "ping", ()
    version = _VERSION.match(request.path)
    if version is None:
        return "nowhere", ()
    if version[1].startswith("v0"):
        return "old_version", ()
    path = request.path[version.end() :]
    if path == "/ingest":
        return "missing_slash", ()
    for route in _ROUTES:
        match = route.pattern.match(path)
        if match:
            name = route.operations.get(request.method, "refused")
            return name, tuple(part for part in match.groups() if part is not None)
    return "nowhere", ()
