"""Lossy conversions that a job file asks for by name: `"convert": "saturate"` or `{"scale": [low, high]}`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from boss_ingest.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from numpy.typing import NDArray


_PIECE_VOXELS = 1 << 16
"""What is converted at once: a voxel takes up to 34 bytes on the way, a whole chunk would take gigabytes."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """How values that a channel cannot hold become ones it can.

    Saturating keeps every value the channel can hold, takes the nearest for the others, and rounds
    fractions. Scaling maps `scale` = (low, high) onto the channel's whole range, linearly, and saturates
    beyond; it changes every value.
    """

    scale: tuple[float, float] | None = None

    @classmethod
    def asked_for(cls, convert: object) -> Self | None:
        """From the `convert` of a processor's params; None when there is none. Raises ConfigError."""
        match convert:
            case None:
                return None
            case "saturate":
                return cls()
            case {"scale": [int() | float() as low, int() | float() as high]} if low < high:
                return cls((float(low), float(high)))
        raise ConfigError(
            f'"convert": {convert!r} is not a conversion', hint='write "saturate" or {"scale": [low, high]}'
        )

    def apply(self, array: NDArray[Any], target: np.dtype[Any], *, name: str) -> NDArray[Any]:
        """The array in the channel's type, piece by piece. Raises SourceError for what is no number."""
        if array.dtype.kind not in "buif":
            raise SourceError(
                f"{name} holds {array.dtype.name} values, which no conversion makes whole numbers"
            )
        converted = np.empty(array.shape, target)
        with np.nditer(
            [array, converted],
            ["external_loop", "buffered", "zerosize_ok"],
            [["readonly"], ["writeonly"]],
            buffersize=_PIECE_VOXELS,
        ) as pieces:
            for piece, into in pieces:
                into[...] = self._piece(piece, target, name=name)
        return converted

    def _piece(self, array: NDArray[Any], target: np.dtype[Any], *, name: str) -> NDArray[Any]:
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise SourceError(
                f"{name} has values that are no numbers (NaN or infinite)",
                hint="replace them in the source: only you know by what",
            )
        highest = np.iinfo(target).max
        if self.scale is None:
            low, high = (0, highest) if array.dtype.kind != "f" else (0.0, float(highest))
            return _whole(np.clip(array, low, high) if array.dtype.kind != "b" else array, target)
        low, high = self.scale
        share = (array.astype(np.float64) - low) / (high - low)
        return _whole(np.clip(share, 0.0, 1.0) * float(highest), target)


def _whole(array: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any]:
    if array.dtype.kind != "f":
        return array.astype(target)
    highest = np.iinfo(target).max
    whole = np.rint(array)
    at_top = whole >= float(highest)  # float64 rounds 2**64 - 1 up to what uint64 cannot hold
    return np.where(at_top, target.type(highest), np.where(at_top, 0, whole).astype(target))
