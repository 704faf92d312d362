"""Keys that no schema knows but that look like one that it does: `extnt` is probably `extent`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from itertools import islice

from pydantic import BaseModel

from boss_ingest.config.job_file import JobFile

_MOST_LOOKED_AT = 100  # keys of one object: nobody mistypes more, and comparing takes its time


def nearest(key: str, known: Iterable[str]) -> str | None:
    """The known key that `key` was probably meant to be, or None."""
    found = difflib.get_close_matches(key.lower().replace("-", "_"), list(known), n=1, cutoff=0.8)
    return found[0] if found else None


def misspelling_of(key: str, written: Iterable[str]) -> str | None:
    """The key among those written that was probably meant to be `key`, or None."""
    return next((other for other in islice(written, _MOST_LOOKED_AT) if nearest(other, [key])), None)


def near_misses(job: JobFile) -> Iterator[str]:
    """A warning for each unknown key of the file that is nearly a known one."""
    yield from _in(job, path="")


def _in(section: BaseModel, *, path: str) -> Iterator[str]:
    fields = {field.alias or name: name for name, field in type(section).model_fields.items()}
    for key in islice(section.model_extra or {}, _MOST_LOOKED_AT):
        if (meant := nearest(key, fields)) is not None:
            yield f"{path}{key} is no key of the schema and was ignored; did you mean {meant}?"
    for key, name in fields.items():
        inner = getattr(section, name)
        if isinstance(inner, BaseModel):
            yield from _in(inner, path=f"{path}{key}.")
