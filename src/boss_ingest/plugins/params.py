"""The params of a plugin: declared as a model, checked all at once, told in the words of the job file.

A plugin declares what it takes as a subclass of Params, with a type, a default and a description for each
field; `boss-ingest plugins` shows them. What is wrong, missing or unknown is a ConfigError before any job is
made, with the nearest right name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StrictBool, ValidationError

from boss_ingest.config.near_misses import nearest
from boss_ingest.errors import ConfigError, Problem

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_TYPE_ERRORS = {
    "string_type", "int_type", "int_from_float", "float_type", "bool_type", "dict_type", "list_type",
    "literal_error", "model_type",
}  # fmt: skip


_Range = Annotated[list[float], Field(min_length=2, max_length=2)]


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
            found = {
                str(each["loc"][0]) if each["loc"] else "": each for each in error.errors(include_url=False)
            }
            problems = tuple(cls._problem(key, each, plain, section) for key, each in found.items())
            raise ConfigError(f"{section}.params cannot be used as they are", problems=problems) from None

    @classmethod
    def _problem(cls, key: str, found: ErrorDetails, given: Mapping[str, Any], section: str) -> Problem:
        path = f"{section}.params.{key}" if key else f"{section}.params"
        if found["type"] == "extra_forbidden":
            meant = nearest(key, cls.names())
            fix = f'did you mean "{meant}"?' if meant else f"there are {', '.join(cls.names()) or 'none'}"
            return Problem(path, "", "is no param of this plugin", fix)
        field = cls.model_fields.get(key)
        if field is None:  # a rule about several of them
            return Problem(path, "", found["msg"].removeprefix("Value error, "), "")
        description = field.description or ""
        if key not in given:
            return Problem(path, "missing", "must be given", description)
        rule = f"must be {_type_words(field.annotation)}"
        if found["type"] not in _TYPE_ERRORS and len(found["loc"]) == 1:
            rule = found["msg"].removeprefix("Value error, ")
        value = "(not shown)" if SecretStr in _parts(field.annotation) else repr(given[key])[:60]
        return Problem(path, value, rule, description)

    @classmethod
    def names(cls) -> list[str]:
        """All names that may be given."""
        return [field.alias or name for name, field in cls.model_fields.items()]


@dataclass(frozen=True, slots=True)
class Param:
    """One param as a person is told of it: its type in JSON's words, its default as JSON."""

    name: str
    type: str
    required: bool
    default: str
    description: str

    def as_dict(self) -> dict[str, object]:
        """For programs."""
        return asdict(self)


def declared(params: type[Params] | None) -> list[Param]:
    """What a plugin declares that it takes, in the order of its declaration; what all take comes last."""
    fields = (
        sorted(params.model_fields.items(), key=lambda field: field[0] in TileParams.model_fields)
        if params
        else []
    )
    return [
        Param(
            name=field.alias or name,
            type=_type_words(field.annotation),
            required=field.is_required(),
            default="" if field.is_required() else json.dumps(field.get_default(call_default_factory=True)),
            description=field.description or "",
        )
        for name, field in fields
    ]


_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", SecretStr: "a text"}


def _parts(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) or (annotation,)


def _type_words(annotation: Any) -> str:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(json.dumps(arg) for arg in args)
    if origin is Annotated:
        return _type_words(args[0])
    if origin in {Union, UnionType}:
        return " or ".join(dict.fromkeys(_type_words(arg) for arg in args if arg is not type(None)))
    if origin in {list, tuple} or annotation in {list, tuple}:
        return "a list"
    return _WORDS.get(annotation, "an object")


class TileParams(Params):
    """What every tile processor of ours takes, whatever its layout; the engine acts on it."""

    pad: StrictBool = Field(False, description="fill images smaller than the tile with zeros")
    convert: Literal["saturate"] | dict[Literal["scale"], _Range] | None = Field(
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
