"""The HTTP server: one origin that tells REST, SQS and S3 apart, and lets scripted faults happen to all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from aiohttp import web
from aiohttp.web_server import Server

from boss_ingest.errors import UsageError
from boss_ingest.local.faults import Call, Cut, Delay, Fault, Garbage, Hold, Http, Reset
from boss_ingest.local.settings import ACCOUNT

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import RawRequestMessage
    from aiohttp.streams import StreamReader
    from aiohttp.web_protocol import RequestHandler

    from boss_ingest.local.faults import Faults

MOST_REQUEST_BYTES = 16 << 20
_LARGEST_HEADER_BYTES = 32_768
_REST = ("/v1/", "/latest/", "/v0.", "/ping")


class Service(Protocol):
    """One of the three."""

    async def describe(self, request: web.BaseRequest) -> Call:
        """Name the operation a request asks for."""

    async def answer(self, call: Call, request: web.BaseRequest) -> web.Response:
        """Do it."""

    def failure(self, call: Call, fault: Http, /) -> web.Response:
        """Write an error in the service's own form."""


class Front:
    """Listens on a loopback port and hands each request to the service it is for."""

    def __init__(self, *, rest: Service, sqs: Service, s3: Service, faults: Faults) -> None:
        self._rest = rest
        self._sqs = sqs
        self._s3 = s3
        self._faults = faults
        self._runner: web.ServerRunner | None = None

    async def listen(self, host: str, port: int) -> int:
        """Start to serve; returns the port. Raises UsageError when it is taken."""
        server = Server(
            self._handle,
            request_factory=_request,
            handler_cancellation=True,
            access_log=None,
            auto_decompress=False,
            lingering_time=5.0,
            max_line_size=_LARGEST_HEADER_BYTES,
            max_field_size=_LARGEST_HEADER_BYTES,
        )
        self._runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, host, port, backlog=1024)
            await site.start()
        except OSError as error:
            raise UsageError(
                f"the local Boss cannot listen on {host}:{port}: {error.strerror}",
                hint="another program has that port; choose another, or 0 for any",
            ) from error
        taken: int = self._runner.addresses[0][1]
        return taken

    async def close(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _service(self, request: web.BaseRequest) -> Service:
        path = request.path
        if (
            "X-Amz-Target" in request.headers
            or path.startswith(f"/{ACCOUNT}/")
            or (path, request.method) == ("/", "POST")
        ):
            return self._sqs
        return self._rest if path.startswith(_REST) else self._s3

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        service = self._service(request)
        call = await service.describe(request)
        fault = self._faults.take(call)
        if isinstance(fault, Delay):
            await asyncio.sleep(fault.seconds)
        elif isinstance(fault, Hold):
            await fault.wait()
        elif early := await _instead(service, call, request, fault):
            return _last_words(request, early)
        response = _last_words(request, await service.answer(call, request))
        if isinstance(fault, Reset):
            _abort(request)
        if isinstance(fault, Cut):
            return await _cut(request, response, fault.sent_bytes)
        return response


async def _instead(
    service: Service, call: Call, request: web.BaseRequest, fault: Fault | None
) -> web.Response | None:
    """The answer that takes the place of the service's own, if the fault is of that kind."""
    if isinstance(fault, Http):
        return service.failure(call, fault)
    if isinstance(fault, Garbage):
        return web.Response(status=fault.status, body=fault.body, content_type=fault.content_type)
    if isinstance(fault, Reset) and fault.when != "after":
        if fault.when == "during":
            await request.content.readany()
        _abort(request)
        return web.Response(status=500)  # nobody gets it
    return None


def _last_words(request: web.BaseRequest, response: web.Response) -> web.Response:
    """A client that waits to be asked for its body, and is not, must not use the connection again."""
    if "Expect" in request.headers and not request.content.is_eof():
        response.force_close()
    return response


async def _cut(request: web.BaseRequest, whole: web.Response, sent_bytes: int) -> web.StreamResponse:
    body = whole.body if isinstance(whole.body, bytes) else b""
    part = web.StreamResponse(status=whole.status, headers={"Content-Type": whole.content_type})
    part.content_length = max(len(body), sent_bytes + 1)
    await part.prepare(request)
    await part.write(body[:sent_bytes])
    _abort(request)
    return part


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=MOST_REQUEST_BYTES)
