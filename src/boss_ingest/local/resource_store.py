"""Collections, experiments, channels and coordinate frames: which exist, and what the server fills in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from boss_ingest.local.database import Database, Row

Kind = Literal["collection", "coord", "experiment", "channel"]
SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, parent INTEGER NOT NULL, name TEXT NOT NULL,
    creator TEXT NOT NULL, fields TEXT NOT NULL, deleted INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, parent, name));
"""


class MissingResource(Exception):  # noqa: N818 - an answer, not a fault of the program
    """There is no usable resource of this kind and name."""

    def __init__(self, kind: Kind, name: str) -> None:
        super().__init__(kind, name)
        self.kind = kind
        self.name = name


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource; `fields` are what its creator said, completed by the defaults."""

    id: int
    kind: Kind
    parent: int  # the id of the collection or experiment it lies in; 0 for none
    name: str
    creator: str
    fields: dict[str, Any]
    deleted: bool  # marked for deletion: unusable, but its name stays taken


@dataclass(frozen=True, slots=True)
class ChannelPath:
    """A channel with all it lies in."""

    collection: Resource
    experiment: Resource
    channel: Resource
    frame: Resource

    @property
    def lookup_key(self) -> str:
        """The ids of the three, as they stand in keys."""
        return f"{self.collection.id}&{self.experiment.id}&{self.channel.id}"

    @property
    def boss_key(self) -> str:
        """The names of the three."""
        return f"{self.collection.name}&{self.experiment.name}&{self.channel.name}"


class Resources:
    """The table of all resources."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, kind: Kind, name: str, *, creator: str, fields: dict[str, Any], parent: int = 0
    ) -> Resource | None:
        """Create a resource; None when the name is taken."""
        if self.find(kind, name, parent=parent) is not None:
            return None
        cursor = self._database.write(
            "INSERT INTO resources (kind, parent, name, creator, fields) VALUES (?, ?, ?, ?, ?)",
            (kind, parent, name, creator, json.dumps(fields)),
        )
        return Resource(cursor.lastrowid or 0, kind, parent, name, creator, fields, deleted=False)

    def find(self, kind: Kind, name: str, *, parent: int = 0) -> Resource | None:
        """The resource of this name, marked for deletion or not."""
        row = self._database.one(
            "SELECT * FROM resources WHERE kind = ? AND parent = ? AND name = ?", (kind, parent, name)
        )
        return _resource(row) if row else None

    def children(self, parent: Resource) -> list[str]:
        """Names of the experiments of a collection, or the channels of an experiment."""
        kind = "experiment" if parent.kind == "collection" else "channel"
        sql = "SELECT name FROM resources WHERE kind = ? AND parent = ? AND NOT deleted ORDER BY id"
        return [name for (name,) in self._database.read(sql, (kind, parent.id))]

    def all(self, kind: Kind) -> list[Resource]:
        """Every usable resource of a kind."""
        rows = self._database.read(
            "SELECT * FROM resources WHERE kind = ? AND NOT deleted ORDER BY id", (kind,)
        )
        return [_resource(row) for row in rows]

    def mark_deleted(self, resource: Resource) -> None:
        """Mark for deletion, which on a Boss happens much later, if ever."""
        self._database.write("UPDATE resources SET deleted = 1 WHERE id = ?", (resource.id,))

    def channel(self, collection: str, experiment: str, channel: str) -> ChannelPath:
        """A usable channel by its names. Raises MissingResource for the first that does not exist."""
        col = self._usable("collection", collection, 0)
        exp = self._usable("experiment", experiment, col.id)
        ch = self._usable("channel", channel, exp.id)
        return ChannelPath(col, exp, ch, self._usable("coord", exp.fields["coord_frame"], 0))

    def _usable(self, kind: Kind, name: str, parent: int) -> Resource:
        found = self.find(kind, name, parent=parent)
        if found is None or found.deleted:
            raise MissingResource(kind, name)
        return found


def _resource(row: Row) -> Resource:
    id_, kind, parent, name, creator, fields, deleted = row
    return Resource(id_, kind, parent, name, creator, json.loads(fields), bool(deleted))
