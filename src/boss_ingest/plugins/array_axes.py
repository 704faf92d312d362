"""The axes of an array by their names, and the view of it that has just z, y, x."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from boss_ingest.errors import ConfigError

_SHORT = {"channel": "c", "channels": "c", "ch": "c", "time": "t", "depth": "z", "height": "y", "width": "x"}


def parse(axes: str | list[str]) -> tuple[str, ...]:
    """Their short names: "zyx", "z,y,x" or ["z", "y", "x"]; "channel" and "time" are c and t."""
    names = (
        axes if isinstance(axes, list) else axes.replace(",", " ").split() if _spaced(axes) else list(axes)
    )
    return tuple(_SHORT.get(name.strip().lower(), name.strip().lower()) for name in names)


def usual(driver: str, rank: int) -> tuple[str, ...]:
    """Those of an array that names none: as numpy has them in Zarr, x first in N5 and precomputed."""
    if driver == "neuroglancer_precomputed":
        return ("x", "y", "z", "c")
    if driver == "n5":
        return ("x", "y", "z", *(f"axis {at}" for at in range(3, rank)))[:rank]
    return (*(f"axis {at}" for at in range(rank - 3)), *"zyx"[-rank:])


def zyx(array: Any, axes: Sequence[str], *, where: str, fixed: Mapping[str, int | None], newaxis: Any) -> Any:
    """A view (zyx) of a tensorstore: `fixed` says which c and t, an axis of length 1 is left out.

    A z that is not there is one slice. Raises ConfigError when there is more than one way to see it.
    """
    if len(axes) != array.ndim or len(set(axes)) != len(axes) or not {"y", "x"} <= set(axes):
        raise ConfigError(
            f"{where} has shape {_shape(array)}, its axes cannot be {', '.join(axes)}",
            hint='name them all in "axes", with one z, y and x: such as "zyx" or "xyzc"',
        )
    index: list[Any] = []
    for name, size, low in zip(axes, array.shape, array.domain.inclusive_min, strict=True):
        if name in {"z", "y", "x"}:
            index.append(slice(None))
        else:
            index.append(low + _place(name, size, fixed.get(name), array, where))
    view = array[tuple(index)]
    kept = [name for name in axes if name in {"z", "y", "x"}]
    if "z" not in kept:
        view, kept = view[newaxis], ["z", *kept]
    return view.transpose([kept.index(name) for name in ("z", "y", "x")])


def _place(name: str, size: int, wanted: int | None, array: Any, where: str) -> int:
    if wanted is not None:
        if 0 <= wanted < size:
            return wanted
        raise ConfigError(f"{where} has no {_LONG[name]} {wanted}: there are 0 to {size - 1}")
    if size == 1:
        return 0
    if name in _LONG:
        raise ConfigError(
            f"{where} has {size} {_LONG[name]}s, a job takes one",
            hint=f'set "{_LONG[name]}" to a number from 0 to {size - 1}',
        )
    raise ConfigError(
        f"{where} has shape {_shape(array)}, a volume has three axes: z, y, x",
        hint='name the axes in "axes", such as "czyx", and set "channel" or "time"',
    )


_LONG = {"c": "channel", "t": "time"}


def _spaced(axes: str) -> bool:
    return "," in axes or " " in axes


def _shape(array: Any) -> str:
    return " × ".join(map(str, array.shape))
