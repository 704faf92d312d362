"""Collections, coordinate frames, experiments and channels over HTTP (docs/protocol.md, "Resources").

Every user of a local Boss is a resource manager and may read everything; only creators delete.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from aiohttp import web

from boss_ingest.local.resource_fields import complete_fields, shown
from boss_ingest.local.rest_errors import BossError, invalid_post, not_found
from boss_ingest.local.settings import ADMIN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from boss_ingest.local.resource_store import Kind, Resource
    from boss_ingest.local.rest import Asked
    from boss_ingest.local.state import State


class ResourceEndpoints:
    """Create, read, list and delete resources."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._resources = state.resources
        self.handlers: dict[str, Callable[[Asked], Awaitable[web.Response]]] = {
            "get": self._get,
            "add": self._add,
            "remove": self._remove,
            "list_collections": self._list_collections,
            "list_frames": self._list_frames,
            "list_experiments": self._list_experiments,
            "list_channels": self._list_channels,
        }

    def create(
        self, kind: Kind, name: str, body: object, *, creator: str, parent: Resource | None = None
    ) -> Resource:
        """Create a resource. Raises BossError."""
        fields = complete_fields(kind, name, body, admin=creator == ADMIN)
        if kind == "experiment":
            frame = self._resources.find("coord", fields["coord_frame"])
            if frame is None:
                raise not_found(fields["coord_frame"])
        if kind == "channel" and parent is not None:
            self._check_channel(fields, parent)
        added = self._resources.add(
            kind, name, creator=creator, fields=fields, parent=parent.id if parent else 0
        )
        if added is None:
            raise invalid_post("{'non_field_errors': ['The fields name must make a unique set.']}")
        return added

    async def _get(self, asked: Asked) -> web.Response:
        kind, parents, name = self._address(asked)
        return web.json_response(
            self._shown(self._usable(kind, name, parents[-1] if parents else None), parents)
        )

    async def _add(self, asked: Asked) -> web.Response:
        kind, parents, name = self._address(asked)
        parent = parents[-1] if parents else None
        added = self.create(kind, name, asked.body, creator=asked.user or "", parent=parent)
        return web.json_response(self._shown(added, parents), status=201)

    async def _remove(self, asked: Asked) -> web.Response:
        kind, parents, name = self._address(asked)
        found = self._usable(kind, name, parents[-1] if parents else None)
        if asked.user not in (found.creator, ADMIN):
            raise BossError(403, 3001, f"Missing delete permissions on the resource {name}")
        used = kind == "coord" and any(
            experiment.fields["coord_frame"] == name for experiment in self._resources.all("experiment")
        )
        if used or (kind in ("collection", "experiment") and self._resources.children(found)):
            raise BossError(400, 4003, f"Cannot delete {name}: it is still in use.")
        self._resources.mark_deleted(found)
        return web.Response(status=204)

    async def _list_collections(self, _: Asked) -> web.Response:
        return web.json_response({"collections": [one.name for one in self._resources.all("collection")]})

    async def _list_frames(self, asked: Asked) -> web.Response:
        owned = asked.query.get("owner", "").lower() == "true"
        frames = [one.name for one in self._resources.all("coord") if not owned or one.creator == asked.user]
        return web.json_response({"coords": frames})

    async def _list_experiments(self, asked: Asked) -> web.Response:
        collection = self._usable("collection", asked.path[0], None)
        return web.json_response({"experiments": self._resources.children(collection)})

    async def _list_channels(self, asked: Asked) -> web.Response:
        collection = self._usable("collection", asked.path[0], None)
        experiment = self._usable("experiment", asked.path[1], collection)
        return web.json_response({"channels": self._resources.children(experiment)})

    def _address(self, asked: Asked) -> tuple[Kind, list[Resource], str]:
        if asked.user is None:
            raise BossError(403, 3001, "Missing read permissions on the resource")
        *above, kind, name = asked.path
        parents: list[Resource] = []
        for parent_kind, parent_name in zip(("collection", "experiment"), above, strict=False):
            parents.append(
                self._usable(cast("Kind", parent_kind), parent_name, parents[-1] if parents else None)
            )
        return cast("Kind", kind), parents, name

    def _usable(self, kind: Kind, name: str, parent: Resource | None) -> Resource:
        found = self._resources.find(kind, name, parent=parent.id if parent else 0)
        if found is None:
            raise not_found(name)
        if found.deleted:
            raise BossError(404, 4005, f"{name} has been marked for deletion")
        return found

    def _check_channel(self, fields: dict[str, Any], experiment: Resource) -> None:
        if not 0 <= fields["default_time_sample"] < experiment.fields["num_time_samples"]:
            raise invalid_post("{'default_time_sample': ['Must be less than num_time_samples.']}")
        siblings = self._resources.children(experiment)
        sources, related = fields["sources"], fields["related"]
        unknown = [name for name in [*sources, *related] if name not in siblings]
        if unknown or set(sources) & set(related):
            raise invalid_post(f"Invalid list of source or related channels: {unknown or sources}")

    def _shown(self, found: Resource, parents: list[Resource]) -> dict[str, Any]:
        around: dict[str, Any] = {"creator": found.creator}
        if found.kind == "collection":
            around["experiments"] = self._resources.children(found)
        elif found.kind == "experiment":
            around |= {"collection": parents[0].name, "channels": self._resources.children(found)}
        elif found.kind == "channel":
            around["experiment"] = parents[1].name
        return shown(found.kind, found.name, found.fields, **around)
