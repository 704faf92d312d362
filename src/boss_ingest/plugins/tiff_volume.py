"""A volume in a TIFF file: which plane of which page a slice is, by the names of the file's own axes.

The axes come from what the file says of itself (OME, ImageJ, tifffile's own description), else one page after
the other is a slice. Nothing of the pixels is read.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boss_ingest.errors import ConfigError, MissingSourceError, Problem, SourceError
from boss_ingest.plugins.tiff_planes import Plane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from boss_ingest.plugins.files import Version
    from boss_ingest.plugins.tiff_files import OpenTiff

_SEQUENCES = "IQ"
"""tifffile's letters for an axis of which nothing is known but that it is one."""

_OTHER_FILES = re.compile(r'FileName="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Choice:
    """What the job file says of the volume: the series in the file, its axes, and which of the other axes."""

    filename: str
    series: int
    axes: str | None
    index: Mapping[str, int]
    section: str  # where the params stand in the job file


@dataclass(frozen=True, slots=True)
class Volume:
    """The planes of one series. `sizes` has all axes by their letters, Z, Y and X always among them."""

    path: str
    dtype: str
    axes: str
    sizes: Mapping[str, int]
    _fixed: Mapping[str, int]
    _series: Any
    _begin: int | None  # of the pixels, when all are in one piece
    _leading: int  # how many of the axes count pages
    _page_axes: Mapping[str, str]  # axes of the volume inside a page, by their names there: P Z S
    _version: Version  # of the file

    @classmethod
    def of(cls, file: OpenTiff, choice: Choice) -> Volume:
        """Look at the file's description of itself. Raises SourceError, ConfigError."""
        _stay_in_the_folder(file)
        every = file.series()
        if not 0 <= choice.series < len(every):
            there = f"the file has {len(every)}" + (", 0 the first" if every else "")
            raise _wrong(choice, "series", choice.series, there, "name one of these")
        series = every[choice.series]
        if series.transform is not None:
            raise SourceError(
                f"{file.name} is a TIFF of the kind {series.kind}, whose pixels are to be computed",
                hint="export it as plain TIFF or OME-TIFF",
            )
        shape = tuple(map(int, series.get_shape(squeeze=False)))
        axes = _named(series.get_axes(squeeze=False), shape, choice)
        sizes = dict(zip(axes, shape, strict=True))
        leading, page_axes = _split(axes, shape, series, file.name)
        fixed = {axis: 0 for axis in axes if axis not in "ZYX"} | dict(choice.index)
        volume = cls(
            path=file.path,
            dtype=series.dtype.name,
            axes=axes,
            sizes={"Z": 1, **sizes},
            _fixed=fixed,
            _series=series,
            _begin=series.dataoffset or None,
            _leading=leading,
            _page_axes=page_axes,
            _version=file.version,
        )
        volume._check_index(choice)
        return volume

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        """The volume's size in voxels."""
        return self.sizes["Z"], self.sizes["Y"], self.sizes["X"]

    def plane(self, z: int, t: int | None = None) -> Plane:
        """Where a slice is; with `t`, of that sample instead of the one that was chosen.

        Looks at no disk. Raises SourceError outside of the volume, MissingSourceError for a plane that the
        file doesn't have.
        """
        at = {**self._fixed, "Z": z} | ({} if t is None else {"T": t})
        for axis, index in at.items():
            if not 0 <= index < self.sizes.get(axis, 1):
                raise SourceError(
                    f"{self.path} has {self.sizes.get(axis, 1)} on the axis {axis}, "
                    f"{index} (counted from 0) is asked for",
                    hint=f"correct ingest_job.extent.{axis.lower()}",
                )
        number = 0
        for axis in self.axes[: self._leading]:
            number = number * self.sizes[axis] + at[axis]
        inside = {name: at[axis] for axis, name in self._page_axes.items()}
        of_it = partial(Plane, plane=inside.get("P", 0), z=inside.get("Z", 0), sample=inside.get("S", 0))
        if self._begin is not None:
            first = self._series.keyframe
            begin = self._begin + number * first.nbytes
            return of_it(self.path, first.index, at=begin, version=self._version)
        page = self._series[number] if number < len(self._series) else None
        if page is None:
            others = {axis: index for axis, index in at.items() if axis in self.axes and axis not in "YX"}
            raise MissingSourceError(f"{self.path} has no page for {_told(others)}")
        if not isinstance(page.index, int):
            raise SourceError(f"{self.path} keeps this volume in pages below others, which cannot be read")
        theirs, ours = page.parent.filehandle.path, self._series.parent.filehandle.path
        kind = self._series.keyframe.hash
        if theirs != ours:
            return of_it(str(theirs), page.index, kind=kind)
        return of_it(self.path, page.index, kind=kind, version=self._version)

    def _check_index(self, choice: Choice) -> None:
        for axis, index in choice.index.items():
            size = self.sizes.get(axis)
            if size is None or axis in "ZYX" or not 0 <= index < size:
                others = {a: n for a, n in self.sizes.items() if a not in "ZYX"}
                there = f"of {self.path} one can choose on {_told(others) or 'no axis'}"
                raise _wrong(choice, "index", dict(choice.index), there, "0 is the first")

    def open_axes(self, choice: Choice, *, by_job: str = "") -> None:
        """Raises ConfigError for axes longer than 1 on which nothing was chosen; those `by_job` need none."""
        left = {
            axis: size
            for axis, size in self.sizes.items()
            if size > 1 and axis not in f"ZYX{by_job}" and axis not in choice.index
        }
        if left:
            axis = next(iter(left))
            fix = f'choose with "index": {{"{axis.lower()}": 0}}'
            if self.sizes["Z"] == 1 and len(left) == 1:
                fix += f', or say with "axes": "{self.axes.replace("Z", "").replace(axis, "Z")}" that it is z'
            raise _wrong(choice, "index", dict(choice.index), f"{self.path} has also {_told(left)}", fix)


def _named(axes: str, shape: tuple[int, ...], choice: Choice) -> str:
    """A letter for each axis of the unsqueezed series: as the job file names them, or as the file does.

    The job file may leave out those of length 1. Those, and only those, may get a letter that nobody gave.
    """
    long = [at for at, size in enumerate(shape) if size > 1]
    letters = list(axes)
    if choice.axes is not None:
        given = choice.axes.upper()
        if len(given) not in (len(axes), len(long)):
            rule = f"{choice.filename} has {_sized(axes, shape)}, {len(long)} of these axes longer than 1"
            raise _wrong(choice, "axes", choice.axes, rule, "give one letter for each of them")
        named = range(len(axes)) if len(given) == len(axes) else long
        letters = [""] * len(axes)
        for at, letter in zip(named, given, strict=True):
            letters[at] = letter
    elif "Z" not in [axes[at] for at in long]:
        unknown = [at for at in long if axes[at] in _SEQUENCES]
        if len(unknown) == 1:
            letters = ["" if letter == "Z" else letter for letter in letters]
            letters[unknown[0]] = "Z"
    taken = {letters[at] for at in long}
    spare = iter(sorted(set("ABDEFGHJKLMNOPQRUVW") - set(letters)))
    for at, size in enumerate(shape):
        if size == 1:
            letters[at] = letters[at] if letters[at] and letters[at] not in taken else next(spare)
            taken.add(letters[at])
    return _checked("".join(letters), choice)


def _checked(axes: str, choice: Choice) -> str:
    if len(set(axes)) < len(axes) or "Y" not in axes or "X" not in axes:
        rule = f"{choice.filename} has the axes {axes}; a volume has each just once, Y and X among them"
        raise _wrong(choice, "axes", choice.axes, rule, 'name them, for example "axes": "ZYX"')
    return axes


def _split(axes: str, shape: tuple[int, ...], series: Any, name: str) -> tuple[int, dict[str, str]]:
    """How many of the axes count pages; and what the others are called inside a page."""
    planes, depth, height, width, samples = map(int, series.keyframe.shaped)
    pixels = planes * depth * height * width * samples
    leading = next(n for n in range(len(shape), -1, -1) if math.prod(shape[n:]) >= pixels)
    left = [(axis, n) for axis, n in zip(axes[leading:], shape[leading:], strict=True) if n > 1]
    inside: dict[str, str] = {}
    for size, called in ((planes, "P"), (depth, "Z"), (height, "Y"), (width, "X"), (samples, "S")):
        if size == 1:
            continue
        axis, n = left.pop(0) if left else ("", 0)
        if n != size or (called in "YX" and axis != called) or (called not in "YX" and axis in ("Y", "X")):
            raise SourceError(
                f"{name} has pages of {planes} × {depth} × {height} × {width} × {samples} pixels, "
                f"which are no images (y, x) of a volume {_sized(axes, shape)}",
                hint='name its axes with "axes", or save it with one slice a page',
            )
        if called not in "YX":
            inside[axis] = called
    return leading, inside


def _stay_in_the_folder(file: OpenTiff) -> None:
    """An OME-TIFF may name others: they must lie beside it. Raises SourceError."""
    if not file.tiff.is_ome:
        return
    folder = Path(file.path).resolve().parent
    for name in set(_OTHER_FILES.findall(file.tiff.ome_metadata or "")):
        if not (folder / name).resolve().is_relative_to(folder):
            raise SourceError(
                f"{file.name} refers to {name}, which lies outside of its folder",
                hint="put all files of one OME-TIFF side by side",
            )


def _told(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{axis} {size}" for axis, size in sizes.items())


def _sized(axes: str, shape: tuple[int, ...]) -> str:
    return " × ".join(f"{axis} {size}" for axis, size in zip(axes, shape, strict=True))


def _wrong(choice: Choice, param: str, value: object, rule: str, fix: str) -> ConfigError:
    problem = Problem(f"{choice.section}.params.{param}", repr(value), rule, fix)
    return ConfigError(f"{choice.filename} cannot be read as the job file says", problems=(problem,))
