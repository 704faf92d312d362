"""Python objects through a pipe, large bytes and arrays beside the pickle instead of copied through it.

A message is a header with the sizes of its parts, the pickle, and then each large part as it is.
`bytes` come back as `bytes`, arrays as arrays over memory of their own.
"""

from __future__ import annotations

import io
import pickle
import struct
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_BESIDE_FROM_BYTES = 32 * 1024
_COUNTS = struct.Struct("<II")


@dataclass(slots=True)
class Message:
    """One message, packed: it can be sent, or opened where its names can be imported."""

    pickled: bytes
    blobs: list[bytes] = field(default_factory=list)
    buffers: list[Any] = field(default_factory=list)

    def unpack(self) -> Any:
        """The object. Raises what unpickling raises."""
        return _Unpickler(self).load()


def pack(value: object) -> Message:
    """Make an object ready to send. Raises what pickling raises."""
    into = io.BytesIO()
    message = Message(b"")
    _Pickler(into, message).dump(value)
    message.pickled = into.getvalue()
    return message


def send(pipe: IO[bytes], message: Message) -> None:
    """Write a message and flush. Raises OSError when nobody reads (any more)."""
    parts = [memoryview(part).cast("B") for part in (message.pickled, *message.blobs, *message.buffers)]
    sizes = struct.pack(f"<{len(parts)}Q", *(part.nbytes for part in parts))
    pipe.write(_COUNTS.pack(len(message.blobs), len(message.buffers)) + sizes)
    pipe.writelines(parts)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Message:
    """Read a whole message. Raises EOFError when the pipe ends before, or instead."""
    blobs, buffers = _COUNTS.unpack(_exactly(pipe, _COUNTS.size))
    sizes = struct.unpack(f"<{1 + blobs + buffers}Q", _exactly(pipe, 8 * (1 + blobs + buffers)))
    message = Message(_exactly(pipe, sizes[0]))
    message.blobs = [_exactly(pipe, size) for size in sizes[1 : 1 + blobs]]
    message.buffers = [_writable(pipe, size) for size in sizes[1 + blobs :]]
    return message


class _Pickler(pickle.Pickler):
    def __init__(self, into: io.BytesIO, message: Message) -> None:
        keep: Callable[[pickle.PickleBuffer], None] = lambda buffer: message.buffers.append(buffer.raw())  # noqa: E731
        super().__init__(into, protocol=5, buffer_callback=keep)
        self._blobs = message.blobs

    def persistent_id(self, obj: object) -> int | None:
        if type(obj) is not bytes or len(obj) < _BESIDE_FROM_BYTES:
            return None
        self._blobs.append(obj)
        return len(self._blobs) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, message: Message) -> None:
        super().__init__(io.BytesIO(message.pickled), buffers=message.buffers)
        self._blobs = message.blobs

    def persistent_load(self, pid: int) -> bytes:
        return self._blobs[pid]


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    data = pipe.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _writable(pipe: IO[bytes], size: int) -> bytearray:
    data = bytearray(size)
    if pipe.readinto(data) < size:  # type: ignore[attr-defined]  # IO lacks it, every buffered pipe has it
        raise EOFError
    return data
