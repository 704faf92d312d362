"""Reading a plugin's `params`: all that is wrong with them at once, in the words of the job file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from boss_ingest.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping


class Params:
    """The params of one processor; `section` is where they stand, for example client.tile_processor."""

    def __init__(self, params: Mapping[str, Any], *, section: str) -> None:
        self._params = params
        self._where = f"{section}.params"
        self._problems: list[Problem] = []

    def text(self, key: str, default: str | None = None) -> str:
        """A string; without a default it must be there."""
        value = self._params.get(key, default)
        if isinstance(value, str):
            return value
        self._wrong(key, "must be a string", f'for example "{key}": "..."')
        return ""

    def flag(self, key: str) -> bool:
        """A boolean, false when absent."""
        value = self._params.get(key, False)
        if isinstance(value, bool):
            return value
        self._wrong(key, "must be true or false", f'"{key}": true')
        return False

    def one_of(self, key: str, choices: tuple[str, ...], *, later: tuple[str, ...] = ()) -> str:
        """One of the choices, the first when absent; `later` are those this version does not have yet."""
        value = self._params.get(key, choices[0])
        if value in later:
            fix = f"this version reads {', '.join(choices)}"
            self._wrong(key, "comes in a later version of boss-ingest", fix)
        elif value not in choices:
            self._wrong(key, f"must be one of {', '.join(choices)}", f'"{key}": "{choices[0]}"')
        return str(value)

    def refuse(self, key: str, rule: str, fix: str) -> None:
        """Add a problem of the caller's finding."""
        self._wrong(key, rule, fix)

    def check(self) -> None:
        """Raise ConfigError when anything was wrong."""
        if self._problems:
            raise ConfigError(f"{self._where} cannot be used as they are", problems=tuple(self._problems))

    def _wrong(self, key: str, rule: str, fix: str) -> None:
        value = repr(self._params[key])[:60] if key in self._params else "missing"
        self._problems.append(Problem(f"{self._where}.{key}", value, rule, fix))
