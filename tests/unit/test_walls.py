"""The walls between the folders of the package, and the habits that keep its files small."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import boss_ingest

ROOT = Path(boss_ingest.__file__).parent

MAY_IMPORT = {
    "cli": {"cli", "engine", "aws", "boss", "plugins", "encode", "config", "local", "errors", "__init__"},
    "engine": {"engine", "aws", "boss", "plugins", "encode", "config", "errors"},
    "aws": {"aws", "config", "errors", "__init__"},
    "boss": {"boss", "config", "errors", "__init__"},
    "plugins": {"plugins", "config", "errors"},
    "encode": {"encode", "config", "errors", "boss.keys"},
    "config": {"config", "errors"},
    "errors": set(),
    "local": {"local", "boss", "config", "encode", "errors", "__init__"},
    "__init__": set(),
    "__main__": {"cli"},
    "testing": {"plugins", "errors"},
}
ONLY_IN = {
    "botocore": {"aws"},
    "aiobotocore": {"aws"},
    "awscrt": {"aws", "local"},
    "click": {"cli"},
    "rich": {"cli"},
    "tensorstore": {"plugins"},
}


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def part_of(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down_and_never_across(path: Path) -> None:
    part = part_of(path)
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "boss_ingest":
            target = rest[0] if rest and rest[0] in MAY_IMPORT else "__init__"
            deeper = ".".join(rest[:2])
            assert target in MAY_IMPORT[part] or deeper in MAY_IMPORT[part], f"{part} imports {name}"
        else:
            assert part in ONLY_IN.get(top, {part}), f"only {ONLY_IN.get(top)} may import {top}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_small_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400
    assert ast.get_docstring(ast.parse(text))


def test_help_imports_nothing_heavy() -> None:
    heavy = {
        "numpy",
        "aiobotocore",
        "awscrt",
        "botocore",
        "aiohttp",
        "PIL",
        "pydantic",
        "rich",
        "tensorstore",
    }
    code = f"import sys, boss_ingest.cli.main; print(*sorted({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
