"""Who may talk to the local Boss: users and their tokens. Whoever is asked for exists."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boss_ingest.local.database import Database

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (name TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE);
"""


class Users:
    """Users and tokens, in memory and on disk."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tokens: dict[str, str] = dict(database.read("SELECT name, token FROM users"))
        self._names = {token: name for name, token in self._tokens.items()}

    def token(self, name: str) -> str:
        """The token of a user, who is created when new."""
        if name not in self._tokens:
            token = secrets.token_hex(20)
            self._database.write("INSERT INTO users VALUES (?, ?)", (name, token))
            self._tokens[name] = token
            self._names[token] = name
        return self._tokens[name]

    def name(self, token: str) -> str | None:
        """Whose token this is."""
        return self._names.get(token)
