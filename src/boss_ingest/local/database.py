"""SQLite for an event loop: writes happen at once and are committed in groups.

Every statement here takes tens of microseconds, so it runs on the loop's own thread; what would not
(a checkpoint, which syncs the disk) runs in another, on a connection of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

Row = tuple[Any, ...]


class Database:
    """One SQLite file in WAL mode, used from one thread.

    `write` takes effect at once for this process; `await committed()` returns when it would also survive
    the death of the process. All writes of one turn of the event loop share a commit.
    """

    def __init__(self, path: Path, schema: str) -> None:
        self.path = path
        self._connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute("PRAGMA wal_autocheckpoint=20000")
        self._connection.executescript(schema)
        self._group: asyncio.Future[None] | None = None
        self._dirty = False
        self._afterwards: list[Callable[[], object]] = []

    def read(self, sql: str, parameters: Sequence[object] = ()) -> list[Row]:
        """All rows of a query, the uncommitted ones included."""
        return self._connection.execute(sql, parameters).fetchall()

    def one(self, sql: str, parameters: Sequence[object] = ()) -> Row | None:
        """The first row of a query, or None."""
        row: Row | None = self._connection.execute(sql, parameters).fetchone()
        return row

    def write(self, sql: str, parameters: Sequence[object] = ()) -> sqlite3.Cursor:
        """Run one statement in the group that is open, and return its cursor."""
        self._join_group()
        return self._connection.execute(sql, parameters)

    def write_many(self, sql: str, rows: Iterable[Sequence[object]]) -> sqlite3.Cursor:
        """Run one statement for each of the rows."""
        self._join_group()
        return self._connection.executemany(sql, rows)

    def after_commit(self, action: Callable[[], object]) -> None:
        """Do what only the commit makes right, such as removing a file nobody refers to any more."""
        self._join_group()
        self._afterwards.append(action)

    async def committed(self) -> None:
        """Return when everything written so far is committed. Raises sqlite3.Error when it could not be."""
        if self._group is not None:
            await asyncio.shield(self._group)

    def flush(self) -> None:
        """Commit now."""
        group, self._group = self._group, None
        actions, self._afterwards = self._afterwards, []
        if group is None:
            return
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            group.set_exception(error)
            group.exception()  # whoever waits gets it; nobody waiting is no second error
        else:
            self._dirty = True
            if not group.done():
                group.set_result(None)
            for action in actions:
                with suppress(FileNotFoundError):
                    action()

    async def checkpoint(self) -> None:
        """Move what is committed from the log into the file, without holding up the loop."""
        if self._dirty:
            self._dirty = False
            await asyncio.to_thread(_checkpoint, self.path)

    def close(self) -> None:
        """Commit, and let go of the file. Harmless twice."""
        self.flush()
        self._connection.close()

    def _join_group(self) -> None:
        if self._group is None:
            loop = asyncio.get_running_loop()
            self._connection.execute("BEGIN IMMEDIATE")
            self._group = loop.create_future()
            loop.call_soon(self.flush)


def _checkpoint(path: Path) -> None:
    if path.exists():
        with closing(sqlite3.connect(path, timeout=0.0)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
