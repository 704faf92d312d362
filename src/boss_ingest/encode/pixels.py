"""Which pixels a channel can hold: conversion between integer types that changes no value, or an error."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from boss_ingest.config.datatypes import ITEMSIZE_BYTES
from boss_ingest.errors import SourceError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from boss_ingest.encode.conversion import Conversion

TILE_VALUE_MAX = 2**31 - 1
"""The largest value the Boss reads back from an image (docs/protocol.md, "Tile objects")."""


def channel_dtype(datatype: str) -> np.dtype[Any]:
    """The numpy type of a channel. Raises ValueError for a datatype no channel has."""
    if datatype not in ITEMSIZE_BYTES:
        raise ValueError(f"{datatype!r} is not the datatype of a channel: one of {', '.join(ITEMSIZE_BYTES)}")
    return np.dtype(datatype)


def to_channel(
    array: NDArray[Any], datatype: str, convert: Conversion | None, *, name: str
) -> tuple[NDArray[Any], bool]:
    """The array in the channel's `datatype`, and whether values were converted because the user asked.

    Without `convert` nothing but lossless will do. Raises SourceError.
    """
    if convert is None:
        return lossless(array, datatype, name=name), False
    if convert.scale is None:
        with suppress(SourceError):
            return lossless(array, datatype, name=name), False
    return convert.apply(array, channel_dtype(datatype), name=name), True


def lossless(array: NDArray[Any], datatype: str, *, name: str) -> NDArray[Any]:
    """The same values in the channel's `datatype`, native byte order; no copy where none is needed.

    False and True become 0 and 1. Raises SourceError when a value would change, and for anything
    but whole numbers: how to scale a float is the user's decision.
    """
    target = channel_dtype(datatype)
    if array.dtype.kind not in "bui":
        raise SourceError(
            f"{name} holds {array.dtype.name} values, the channel holds {datatype}",
            hint='set `"convert": {"scale": [low, high]}` or `"convert": "saturate"` under the params of the '
            "processor,\n  or convert the source to whole numbers yourself",
        )
    if array.size and not np.can_cast(array.dtype, target, "safe"):
        low, high = int(array.min()), int(array.max())
        if low < 0 or high > np.iinfo(target).max:
            raise SourceError(
                f"{name} has values from {low} to {high}, "
                f"the channel holds {datatype}: 0 to {np.iinfo(target).max}",
                hint='ingest into a channel of a wider datatype, or set `"convert": "saturate"` '
                'or `"convert": {"scale": [low, high]}`\n  under the params of the processor',
            )
    return array.astype(target, copy=False)


def check_tile_values(array: NDArray[Any], *, name: str) -> None:
    """Refuse values that no tile image can carry to the Boss. Raises SourceError."""
    if array.size and array.dtype.itemsize > 2 and int(array.max()) > TILE_VALUE_MAX:
        raise SourceError(
            f"{name} has values up to {int(array.max())}, a tile can carry them up to {TILE_VALUE_MAX}",
            hint='ingest this data with "ingest_type": "volumetric"',
        )


def not_grey(name: str, kind: str) -> SourceError:
    """The error for an image with more to a pixel than one number."""
    return SourceError(
        f"{name} is a {kind} image, the Boss stores one number a pixel",
        hint="save each colour as a grey image of its own, and ingest it into a channel of its own",
    )


def cut_short(name: str, fact: str) -> SourceError:
    """The error for a file that isn't all there."""
    return SourceError(
        f"{name} is damaged or cut short: {fact}",
        hint="copy or export the file again",
    )
