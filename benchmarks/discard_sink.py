"""An S3 and SQS that keeps nothing: what a client costs shows best where the server costs next to nothing.

A raw asyncio protocol in a process of its own. It answers every PUT with an ETag and the checksum that was
sent, hands out messages that were never queued, and takes back everything. It checks no signature. Told to,
it holds back every answer for a while, that to `Expect: 100-continue` too, as a network would.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.contract.throwaway_tls import Certificates

MessageBody = Callable[[int], str]
"""The body of the n-th message of the upload queue."""


_CHUNKED = -1


class _Sink(asyncio.Protocol):
    def __init__(self, service: Service) -> None:
        self._service = service
        self._head = b""
        self._left = 0
        self._body: list[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._left == 0:
            data = self._head + data
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._head = head
                return
            self._start(head)
        if self._body is not None:
            self._body.append(data)
        if self._has_ended(data):
            self._left = 0
            self._send(self._answer())

    def _send(self, data: bytes) -> None:
        if self._service.delay_s:
            loop = asyncio.get_running_loop()
            loop.call_later(self._service.delay_s, self._write, data)
        else:
            self._write(data)

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)

    def _has_ended(self, data: bytes) -> bool:
        """Whether this was the last of a body; no client sends the next request before it has its answer."""
        if self._left == _CHUNKED:
            self._tail = (self._tail + data)[-5:]
            return self._tail == b"0\r\n\r\n"
        self._left -= len(data)
        return self._left == 0

    def _start(self, head: bytes) -> None:
        self._head = b""
        start, *lines = head.decode("latin-1").split("\r\n")
        self._headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        chunked = self._headers.get("transfer-encoding") == "chunked"
        self._left = _CHUNKED if chunked else int(self._headers.get("content-length", 0))
        self._tail = b""
        self._body = None if start.startswith("PUT") else []
        if self._body is None:
            decoded = self._headers.get("x-amz-decoded-content-length")
            self._service.put_begins(int(decoded) if decoded else max(0, self._left))
        if self._headers.get("expect"):
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _answer(self) -> bytes:
        if self._body is None:
            self._service.put_ended()
            echoed = [f"{k}: {v}" for k, v in self._headers.items() if k.startswith("x-amz-checksum-")]
            return _respond(b"", 'ETag: "nothing-is-kept"', *echoed)
        if "x-amz-target" not in self._headers:
            return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        action = self._headers["x-amz-target"].partition(".")[2]
        answer = self._service.answer(action, json.loads(b"".join(self._body)))
        return _respond(json.dumps(answer).encode(), "Content-Type: application/x-amz-json-1.0")


def _respond(body: bytes, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@dataclass(slots=True)
class Puts:
    """What arrived since it was last asked; moments are those of time.monotonic, one for all processes."""

    count: int = 0
    size_bytes: int = 0
    first_s: float = 0.0
    last_s: float = 0.0


class Service:
    """What SQS would remember: how many messages are left, and what was asked."""

    def __init__(self, messages: int, message_body: MessageBody) -> None:
        self.delay_s = 0.0
        self.puts = Puts()
        self.calls: Counter[str] = Counter()
        self.entries: Counter[str] = Counter()
        self._next = 0
        self._messages = messages
        self._message_body = message_body

    def put_begins(self, size_bytes: int) -> None:
        """The head of a PUT has arrived."""
        self.puts.first_s = self.puts.first_s or time.monotonic()
        self.puts.size_bytes += size_bytes

    def put_ended(self) -> None:
        """All of a PUT has arrived."""
        self.calls["PutObject"] += 1
        self.puts.count += 1
        self.puts.last_s = time.monotonic()

    def begin_anew(self, delay_s: float) -> Puts:
        """Hold back answers for so long from now on; what arrived until now."""
        self.delay_s = delay_s
        puts, self.puts = self.puts, Puts()
        return puts

    def answer(self, action: str, params: dict[str, object]) -> dict[str, object]:
        """Do one call of SQS."""
        self.calls[action] += 1
        if action == "ReceiveMessage":
            most = params["MaxNumberOfMessages"]
            assert isinstance(most, int)
            numbers = range(self._next, min(self._next + most, self._messages))
            self._next += len(numbers)
            self.entries[action] += len(numbers)
            return {"Messages": [self._message(number) for number in numbers]} if numbers else {}
        if action == "GetQueueAttributes":
            left = str(self._messages - self._next)
            names = ("", "NotVisible", "Delayed")
            return {"Attributes": {f"ApproximateNumberOfMessages{n}": "0" if n else left for n in names}}
        entries = params["Entries"]
        assert isinstance(entries, list)
        self.entries[action] += len(entries)
        return {"Successful": [{"Id": entry["Id"]} for entry in entries], "Failed": []}

    def _message(self, number: int) -> dict[str, object]:
        return {
            "MessageId": f"{number:08x}-aaaa-bbbb-cccc-0123456789ab",
            "ReceiptHandle": f"{number:08x}" + "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a" * 12,
            "Body": self._message_body(number),
            "Attributes": {"ApproximateReceiveCount": "1"},
        }


def _run(
    pipe: Connection, messages: int, message_body: MessageBody, certificate: Certificates | None
) -> None:
    async def serve() -> None:
        service = Service(messages, message_body)
        tls = None
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate.chain, certificate.key)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Sink(service), "127.0.0.1", 0, backlog=1024, ssl=tls)
        scheme = "http" if tls is None else "https"
        pipe.send(f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        while (delay_s := await loop.run_in_executor(None, pipe.recv)) is not None:
            pipe.send(service.begin_anew(delay_s))
        pipe.send((service.calls, service.entries))
        server.close()

    asyncio.run(serve())


@dataclass(slots=True)
class Running:
    """A sink that runs; after the block, what it was asked."""

    pid: int
    pipe: Connection
    url: str
    calls: Counter[str] = field(default_factory=Counter)
    entries: Counter[str] = field(default_factory=Counter)

    def begin_anew(self, delay_s: float = 0.0) -> Puts:
        """What arrived since the last time; from now on answers are held back for `delay_s`."""
        self.pipe.send(delay_s)
        puts: Puts = self.pipe.recv()
        return puts


def no_message(_number: int) -> str:
    """For a sink without a queue."""
    return ""


@contextmanager
def running_sink(
    messages: int = 0, message_body: MessageBody = no_message, *, certificate: Certificates | None = None
) -> Iterator[Running]:
    """With a `certificate` the sink speaks TLS."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, messages, message_body, certificate), daemon=True)
    process.start()
    assert process.pid
    running = Running(process.pid, ours, ours.recv())
    try:
        yield running
    finally:
        ours.send(None)
        running.calls, running.entries = ours.recv()
        process.join()
