"""The table of docs/differences.md, and the differences that a run found, in the same form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from tests.parity.case import Case, Index, Outcome

PAGE = Path(__file__).parents[2] / "docs" / "differences.md"
BEGIN, END = "<!-- table -->", "<!-- end of table -->"
Face = Literal["classic", "reader", "both"]


@dataclass(frozen=True, order=True)
class Difference:
    """Where ours and the original differ: a class, a case, the indices (x y z t), and the two outcomes."""

    plugin: str
    case: str
    at: str
    face: str
    original: str
    ours: str

    @property
    def row(self) -> str:
        """A row of the table whose last column a person has to fill in."""
        cells = (f"`{self.plugin}`", self.case, self.at, self.face, self.original, self.ours, "?")
        return f"| {' | '.join(cells)} |"


def declared() -> dict[Difference, str]:
    """The rows of the page, and why each is. Fails on rows that tell no reason."""
    text = PAGE.read_text()
    lines = text[text.index(BEGIN) : text.index(END)].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    found = {Difference(row[0].strip("`"), *row[1:6]): row[6] for row in rows}
    assert len(found) == len(rows), "a row stands twice"
    assert all(why.startswith(("FIX", "KEEP")) for why in found.values()), "say FIX or KEEP, and why"
    return found


def differences(case: Case, original: list[Outcome], faces: dict[Face, list[Outcome]]) -> list[Difference]:
    """What a person should know of one case, indices of one kind together."""
    grouped: dict[tuple[str, str, str], list[Index]] = {}
    for number, at in enumerate(case.indices):
        forms: dict[str, list[Face]] = {}
        for face, outcomes in faces.items():
            theirs, ours = original[number], outcomes[number]
            if ours.error == "no such chunk":
                continue
            if face == "reader" and "chunk_size" in case.ingest_job:
                theirs = _within(theirs, ours)
            if not theirs.same(ours, form_only=case.compare == "form"):
                forms.setdefault(f"{theirs.form}\0{ours.form}{_values(theirs, ours)}", []).append(face)
        for both, which in forms.items():
            theirs_form, ours_form = both.split("\0")
            face = "both" if len(which) == 2 else which[0]
            grouped.setdefault((face, theirs_form, ours_form), []).append(at)
    return [
        Difference(case.processor, case.name, _told(indices, case.indices), face, theirs_form, ours_form)
        for (face, theirs_form, ours_form), indices in grouped.items()
    ]


def _within(theirs: Outcome, ours: Outcome) -> Outcome:
    """Without the voxels beyond the box: those the engine neither asks a reader for nor stores."""
    if theirs.pixels is None or ours.pixels is None or theirs.pixels.ndim != ours.pixels.ndim:
        return theirs
    return Outcome(theirs.pixels[tuple(slice(size) for size in ours.pixels.shape)])


def _values(theirs: Outcome, ours: Outcome) -> str:
    if theirs.pixels is None or ours.pixels is None or theirs.pixels.shape != ours.pixels.shape:
        return ""
    return ", same values" if np.array_equal(theirs.pixels, ours.pixels) else ", other values"


def _told(indices: list[Index], of: list[Index]) -> str:
    return "all" if indices == of else ", ".join(" ".join(map(str, at)) for at in indices)
