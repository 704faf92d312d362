"""A web server on loopback that answers as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web


@dataclass(frozen=True)
class Reply:
    """One answer. `data` is sent as JSON, `body` as it is; `broken` closes the connection instead."""

    status: int = 200
    data: object = None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    broken: bool = False
    hangs: bool = False

    async def send(self, request: web.Request, release: asyncio.Event) -> web.Response:
        if self.hangs:
            await release.wait()
        if self.broken:
            assert request.transport is not None
            request.transport.abort()
        body = self.body if self.data is None else json.dumps(self.data).encode()
        return web.Response(status=self.status, body=body, headers=dict(self.headers))


BROKEN = Reply(broken=True)
HANGS = Reply(hangs=True)


def refusal(status: int, code: int, message: str = "no") -> Reply:
    """An error as the Boss words it."""
    return Reply(status, {"status": status, "code": code, "message": message})


@dataclass(frozen=True)
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class ScriptedBoss:
    """Answers each route with its replies in turn, the last of them for ever; 418 for a route not told."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self.heard = asyncio.Event()  # there was a request
        self._release = asyncio.Event()
        self._replies: defaultdict[str, deque[Reply]] = defaultdict(deque)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)

    def answers(self, line: str, *replies: Reply) -> None:
        """What to say to `GET ingest/7` and the like, from now on; paths are below /v1/."""
        method, path = line.split(" ", 1)
        self._replies[f"{method} /v1/{path}"] = deque(replies)

    @property
    def lines(self) -> list[str]:
        return [asked.line.replace("/v1/", "") for asked in self.asked]

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release.set()
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.heard.set()
        self.asked.append(Asked(request.method, request.raw_path, dict(request.headers), body))
        replies = self._replies.get(f"{request.method} {request.raw_path}")
        if not replies:
            return web.Response(status=418, text=f"no script for {request.method} {request.raw_path}")
        reply = replies[0] if len(replies) == 1 else replies.popleft()
        return await reply.send(request, self._release)
