"""The params of a plugin: declared as a model, checked all at once, told in the words of the job file.

A plugin declares what it takes as a subclass of Params, with a type, a default and a description for each
field; `boss-ingest plugins` shows them. What is wrong, missing or unknown is a ConfigError before any job is
made, with the nearest right name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from boss_ingest.config.near_misses import nearest
from boss_ingest.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_RULES = {
    "missing": "must be given",
    "string_type": "must be a text in quotes",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "dict_type": "must be an object in braces",
    "list_type": "must be a list",
}


class Params(BaseModel):
    """What every plugin's params have in common: nothing but how they are read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)

    @classmethod
    def read(cls, given: Mapping[str, Any], *, section: str) -> Self:
        """From the `params` at `section`, such as client.tile_processor. Raises ConfigError, all at once.

        The `ingest_job` that classic plugins find among their parameters is left out.
        """
        plain = {key: value for key, value in given.items() if key != "ingest_job"}
        try:
            return cls.model_validate(plain)
        except ValidationError as error:
            problems = tuple(cls._problem(found, plain, section) for found in error.errors(include_url=False))
            raise ConfigError(f"{section}.params cannot be used as they are", problems=problems) from None

    @classmethod
    def _problem(cls, found: ErrorDetails, given: Mapping[str, Any], section: str) -> Problem:
        key = ".".join(map(str, found["loc"])) or "params"
        path = f"{section}.params.{key}" if found["loc"] else f"{section}.params"
        top = str(found["loc"][0]) if found["loc"] else ""
        value = repr(given[top])[:60] if top in given else "missing"
        if found["type"] == "extra_forbidden":
            meant = nearest(key, cls.names())
            fix = f'did you mean "{meant}"?' if meant else f"there are {', '.join(cls.names()) or 'none'}"
            return Problem(path, "", "is no param of this plugin", fix)
        rule = _RULES.get(found["type"], found["msg"].removeprefix("Value error, "))
        if found["type"] == "literal_error":
            rule = f"must be one of {found['ctx']['expected']}".replace("'", '"')
        field = cls.model_fields.get(top)
        return Problem(path, value, rule, (field.description or "") if field else "")

    @classmethod
    def names(cls) -> list[str]:
        """All names that may be given."""
        return [field.alias or name for name, field in cls.model_fields.items()]


class TileParams(Params):
    """What every tile processor of ours takes, whatever its layout; the engine acts on it."""

    pad: StrictBool = Field(False, description="fill images smaller than the tile with zeros")
    convert: Literal["saturate"] | dict[Literal["scale"], tuple[float, float]] | None = Field(
        None,
        description='how values that the channel cannot hold become ones it can: "saturate", '
        'or {"scale": [low, high]}; without it they are an error',
    )
    missing: Literal["error", "zeros"] = Field(
        "error", description="what becomes of a tile whose source is not there"
    )


class ChunkParams(TileParams):
    """What every chunk processor of ours takes, whatever its layout; the engine acts on it."""

    missing: Literal["error", "zeros", "skip"] = Field(  # type: ignore[assignment]  # a chunk can be left out
        "error", description="what becomes of a chunk whose source is not there"
    )
