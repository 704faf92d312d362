"""What can happen to one request on the wire: the faults that a script of the proxy is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from tests.fault.proxy_message import Request, Response


@dataclass(slots=True)
class Seen:
    """One request as the proxy saw it, and what became of it."""

    n: int  # from 1, in the order in which the requests came
    operation: str  # as local/faults.py names it: rest.join, sqs.ReceiveMessage, s3.PutObject
    method: str
    path: str  # as on the wire
    key: str  # of the object; of SQS the queue's name, of the Boss the job's id; else empty
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    at_s: float = 0.0  # event loop's clock
    status: int | None = None  # of the answer that the client was sent whole; None: it was not
    met: bool = False  # something of the script happened to it
    answered: int | None = None  # what the server answered, heard or not; None: it was not asked to the end

    @property
    def access_key(self) -> str:
        """Which AWS key signed it; empty for the Boss's own requests."""
        _, _, rest = self.headers.get("Authorization", "").partition("Credential=")
        return rest.partition("/")[0]


@dataclass(slots=True)
class Exchange:
    """A request and its answer; what a `Rewrite` changes in the answer is what the client gets."""

    seen: Seen
    request: Request
    answer: Response


@dataclass(frozen=True, slots=True)
class Latency:
    """So much later than without, each request for itself; together with any other fault."""

    seconds: float
    jitter_s: float = 0.0  # up to so much more


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """The body goes up, and the answer comes down, no faster than this; together with any other fault."""

    bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset: before the request goes on, amid its body, or after it took effect."""

    when: Literal["before", "during", "after"] = "before"


@dataclass(frozen=True, slots=True)
class Hang:
    """Half open: nothing comes back and nothing is closed; `after` the request took effect, or `before`."""

    when: Literal["before", "after"] = "before"


@dataclass(frozen=True, slots=True)
class Answer:
    """An error in the service's own form; the request does not go on. A `body` replaces that form."""

    status: int
    code: str | int = "InternalError"
    retry_after_s: float | None = None
    body: bytes | None = None
    content_type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Garbage:
    """An answer that is none of the service's: some proxy's page; `after` the request took effect, or not."""

    body: bytes = b"<html><body>504 Gateway Time-out</body></html>"
    status: int = 200
    content_type: str = "text/html"
    when: Literal["before", "after"] = "before"


@dataclass(frozen=True, slots=True)
class Noise:
    """Bytes that are not even HTTP, and the end of the connection; the request does not go on."""

    sent: bytes = b"\x15\x03\x01\x00\x02\x02\x16\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Cut:
    """The request takes effect; of its answer, head included, so many bytes come (below 0: all but)."""

    sent_bytes: int = 40


@dataclass(frozen=True, slots=True)
class Flip:
    """One bit of the request's body changes on its way: what a bad switch does, and TCP may miss."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The request takes effect; `change` spoils the answer in place."""

    change: Callable[[Exchange], object]


@dataclass(frozen=True, slots=True)
class Tell:
    """`call` is told `before` the request goes on or `after` its answer is in; then all goes its way.

    Together with any other fault.
    """

    moment: Literal["before", "after"]
    call: Callable[[Seen], Awaitable[None] | None]


Fault = (
    Latency
    | Bandwidth
    | Reset
    | Hang
    | Answer
    | Garbage
    | Noise
    | Cut
    | Flip
    | Rewrite
    | Tell
)  # fmt: skip
Besides = Latency | Bandwidth | Tell
"""These happen together with others; of the rest a request meets one."""

On = "str | Callable[[Seen], bool]"
"""An operation, a prefix that ends in a dot, or "" for all; or a predicate."""
