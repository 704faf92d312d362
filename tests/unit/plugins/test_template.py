"""Filename templates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boss_ingest.plugins.template import fill, fixed_folder


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("my_base_<>", "my_base_7"),
        ("<o:200>_my_base_<p:4>", "207_my_base_0007"),
        ("<o:3253>_my_stack_section<p:3>", "3260_my_stack_section007"),
        ("my_<o:200p:4>", "my_0207"),
        ("<>_<>", "7_7"),
        ("a<p:4o:200>", "a<p:4o:200>"),
        ("s<o:-5>", "s<o:-5>"),
        ("img_<p:4>_<y>_<x>", "img_0007_1_2"),
        ("<z>", "7"),
        ("<o:1><q>", "8<q>"),
        ("plain", "plain"),
        ("r<y:p:3>_c<x:o:1p:2>_<z:o:5>", "r001_c03_12"),
        ("<x:>_<x:2>_<q:p:3>", "<x:>_<x:2>_<q:p:3>"),
    ],
)
def test_the_vectors_of_the_original(template, name):
    assert fill(template, x=2, y=1, z=7) == name


@given(z=st.integers(0, 10**6), offset=st.integers(0, 10**6), width=st.integers(0, 12))
def test_offset_comes_before_padding(z, offset, width):
    assert fill(f"<o:{offset}p:{width}>", x=0, y=0, z=z) == str(z + offset).rjust(width, "0")


@pytest.mark.parametrize(
    ("template", "folder"),
    [
        ("a/b/s<p:4>.png", "a/b/"),
        ("/a/z<>/<y>.png", "/a/"),
        ("<x>/a.png", ""),
        ("a/r<y:p:2>/<>.png", "a/"),
        ("a/b.png", "a/"),
        ("b.png", ""),
    ],
)
def test_the_folder_that_all_files_are_in(template, folder):
    assert fixed_folder(template) == folder
