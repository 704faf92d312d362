"""The pinned environment of the tests is the one that pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(.*)$", re.MULTILINE)


def pins() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, version, _ in PINNED.findall((ROOT / "requirements/dev.txt").read_text()):
        found.setdefault(canonicalize_name(name), set()).add(version)
    return found


def asked_for() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    return [each for each in map(Requirement, lines) if each.name != project["name"]]


def test_every_dependency_is_pinned_to_a_version_that_will_do() -> None:
    pinned = pins()
    for requirement in asked_for():
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement} is not pinned: run `make lock`"
        assert all(version in requirement.specifier for version in versions), (
            f"{requirement}: run `make lock`"
        )


def test_every_pin_carries_its_hashes() -> None:
    text = (ROOT / "requirements/dev.txt").read_text()
    for pin in PINNED.finditer(text):
        assert text[pin.end() :].lstrip(" \\\n").startswith("--hash=sha256:"), pin[0]
