"""How the Boss says no: a status, a code, and a sentence (docs/protocol.md, "Requests and errors")."""

from __future__ import annotations

from typing import Any


class BossError(Exception):
    """A request is refused; `body` overrides the usual shape."""

    def __init__(self, status: int, code: int, message: str, *, body: dict[str, Any] | None = None) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.body = {"status": status, "code": code, "message": message} if body is None else body


def not_authenticated(detail: str) -> BossError:
    """The framework's own answer to a bad token."""
    return BossError(401, 0, detail, body={"detail": detail})


def not_found(name: str) -> BossError:
    """No such resource."""
    return BossError(404, 4000, f"{name} does not exist.")


def invalid_post(message: str) -> BossError:
    """A field of a new resource is missing, wrong or taken."""
    return BossError(400, 1003, message)


def invalid_cutout(message: str) -> BossError:
    """Coordinates outside of what there is."""
    return BossError(400, 1001, message)


def system_error(message: str) -> BossError:
    """A fault of the server, which answers 400 all the same."""
    return BossError(400, 9001, message)
