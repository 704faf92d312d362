"""Puts the slowest modules first, a share to each worker, so that none is left to the end; and gives time."""

from __future__ import annotations

import os

import pytest

SLOWEST = ("e2e/test_peer_original.py", "e2e/test_retry.py", "fault/test_kill.py", "e2e/test_voxels.py")
HANGS_S = 600  # of tests that run commands; more than any wait in them, which says what did not happen


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each worker is given an equal piece of the list (`--dist worksteal`): it begins with its slow ones."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    shares: list[list[pytest.Item]] = [[] for _ in range(workers)]
    quick: list[pytest.Item] = []
    for item in items:
        folder, name = item.path.parent.name, f"{item.path.parent.name}/{item.path.name}"
        if folder in {"e2e", "fault"}:
            item.add_marker(pytest.mark.timeout(HANGS_S))
        (shares[SLOWEST.index(name) % workers] if name in SLOWEST else quick).append(item)
    ordered: list[pytest.Item] = []
    for number, share in enumerate(shares):
        room = max(0, (len(items) - len(ordered)) // (workers - number) - len(share))
        ordered += share + quick[:room]
        del quick[:room]
    items[:] = ordered + quick
