"""Filename templates: whatever a template says, an index puts digits into the name and nothing else."""

from __future__ import annotations

import re
import time

from hypothesis import example, given
from hypothesis import strategies as st

from boss_ingest.plugins.template import fill, fixed_folder
from tests.fuzz.mutation import fuzz

parts = st.sampled_from(
    [
        "<",
        ">",
        "<>",
        "<z>",
        "<y>",
        "<x>",
        "<p:4>",
        "<o:7>",
        "<o:7p:3>",
        "<x:o:1p:2>",
        "<y:p:",
        ":",
        "/",
        "..",
        "é",
    ]
)
templates = st.lists(parts | st.text(max_size=5), max_size=12).map("".join)
indices = st.integers(0, 2**31)
PLACEHOLDER = re.compile(r"<[xyzop:0-9]*>")


@fuzz
@given(templates, indices, indices, indices)
@example("<p:0>", 0, 0, 0)
@example("<p:4><", 0, 0, 0)
@example("<o:" + "9" * 5000 + ">", 0, 0, 1)
@example("<p:999999999>", 0, 0, 1)
@example("<" * 50_000, 0, 0, 0)
@example("<o:1p:" * 20_000, 0, 0, 0)
def test_indices_become_digits_and_the_rest_stays(template: str, x: int, y: int, z: int) -> None:
    began = time.process_time()
    name = fill(template, x=x, y=y, z=z)
    rest = [piece for piece in PLACEHOLDER.split(template) if piece]
    at = 0
    for piece in rest:
        found = name.index(piece, at)
        assert not re.search(r"[^0-9<>xyzop:]", name[at:found])
        at = found + len(piece)
    assert template.startswith(fixed_folder(template))
    assert time.process_time() - began < 10
