"""docs/reliability.md names tests that are there: a promise without its proof fails here."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
PROOFS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)))


@pytest.mark.parametrize(("path", "test"), PROOFS, ids="::".join)
def test_a_proof_that_is_named_is_there(path: str, test: str) -> None:
    code = (ROOT / path).read_text(encoding="utf-8")
    assert (f"def {test}(" if test else "def test_") in code or "TestCase" in code


def test_every_promise_has_a_proof() -> None:
    promises = PAGE.partition("## The promises")[2].partition("## What cannot")[0]
    for promise in re.split(r"\n(?=\*\*)", promises)[1:]:
        assert "`tests/" in promise, promise.partition("\n")[0]
