"""Puts the look at the table as a whole behind the tests that fill it."""

from __future__ import annotations

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name == "test_table.py" and item.path.parent.name == "parity")
